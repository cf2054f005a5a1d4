package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/alecthomas/kong"

	"github.com/ignis-go/ignis/internal/manpage"
)

// manCmd writes the manual pages.
type manCmd struct {
	Out string `required:"" placeholder:"DIR" help:"Folder to write the pages to, such as ~/.local/share/man/man1. It is created if it does not exist."`
}

// Help returns what --help shows below the summary.
func (manCmd) Help() string {
	return `The pages are ignis.1 and one for each command, such as ignis-serve.1. The packages for Linux contain them.

Examples:

  ignis man --out ~/.local/share/man/man1

  man ignis-serve`
}

// Run writes the pages.
func (c *manCmd) Run(_ context.Context, _ *kong.Context, std *stdio) error {
	parser, err := newParser(&cli{}, std)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Out, 0o755); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	b := thisBuild()
	manual := &manpage.Manual{
		App: parser.Model, Version: b.Version, Date: b.date(), Title: "Ignis", Home: "https://github.com/ignis-go/ignis",
	}
	pages := manual.Pages()
	for _, p := range pages {
		if err := os.WriteFile(filepath.Join(c.Out, p.Name), []byte(p.Text), 0o644); err != nil {
			return fmt.Errorf("--out: %w", err)
		}
	}
	_, err = fmt.Fprintf(std.out, "wrote %d pages to %s\n", len(pages), c.Out)
	return err
}
