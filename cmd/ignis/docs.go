package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net/http"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/ignis-go/ignis/docs"
	"github.com/ignis-go/ignis/internal/docsite"
	"github.com/ignis-go/ignis/internal/observe"
)

// docsCmd serves the documentation, or writes it to a folder.
type docsCmd struct {
	Address docsAddress `name:"address" default:"127.0.0.1:8090" placeholder:"ADDRESS" help:"Address to serve the documentation on (${default}), as host:port. Port 0 picks a free port."`
	Out     string      `name:"out" placeholder:"DIR" help:"Write the site to this folder instead of serving it. The folder is created if it does not exist, files of the same name are replaced, and others are left alone."`
}

// Help returns what --help shows below the summary.
func (docsCmd) Help() string {
	return `The documentation of this version is part of the program. It needs no network and no server. ignis serve --dev also serves it, at /docs/.

With --out, any web host can serve the files, in any folder. They include the Markdown, llms.txt and llms-full.txt.

Examples:

  ignis docs

  ignis docs --out public`
}

// docsAddress is a host:port.
type docsAddress string

// UnmarshalText parses host:port.
func (a *docsAddress) UnmarshalText(text []byte) error {
	var address metricsAddress
	if err := address.UnmarshalText(text); err != nil || address == "" {
		return fmt.Errorf("expected host:port such as 127.0.0.1:8090, but got %q", text)
	}
	*a = docsAddress(address)
	return nil
}

// Run serves or writes the documentation.
func (c *docsCmd) Run(ctx context.Context, _ *kong.Context, std *stdio) error {
	site, err := docsite.New(docs.Files, thisBuild().Version)
	if err != nil {
		return err
	}
	if c.Out != "" {
		return c.write(site, std)
	}
	s, err := observe.Start(ctx, observe.Config{
		Address:  string(c.Address),
		Handlers: map[string]http.Handler{"/": site},
		ErrorLog: log.New(std.err, "", 0),
	})
	if err != nil {
		hint := ""
		if errors.Is(err, syscall.EADDRINUSE) {
			hint = "choose another port with --address, or port 0 for a free one"
		}
		return &exitError{exitFailed, &explained{err, "--address: " + err.Error()}, hint}
	}
	defer s.Close()
	if _, err := fmt.Fprintf(std.out, "documentation on %s/   (Ctrl+C ends)\n", s.URL()); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// write writes the site to the folder.
func (c *docsCmd) write(site *docsite.Site, std *stdio) error {
	if err := site.Write(c.Out); err != nil {
		hint := ""
		if errors.Is(err, fs.ErrPermission) {
			hint = "name a folder that this user can create or write to"
		}
		return &exitError{exitFailed, &explained{err, "--out: " + err.Error()}, hint}
	}
	_, err := fmt.Fprintf(std.out, "wrote %d files to %s\n", len(site.Names()), oneLine(c.Out))
	return err
}
