package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // registers the format
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm" // registers the format
)

// packages writes a .deb and an .rpm.
func (r *release) packages(t target, binary string, documents []document) error {
	for _, format := range []string{"deb", "rpm"} {
		contents, err := r.contents(format, binary, documents)
		if err != nil {
			return err
		}
		info := r.describe(t, format, contents)
		if err := nfpm.PrepareForPackager(info, format); err != nil {
			return fmt.Errorf("%s: %w", format, err)
		}
		packager, err := nfpm.Get(format)
		if err != nil {
			return err
		}
		name := packager.ConventionalFileName(info)
		f, err := os.Create(filepath.Join(r.out, name))
		if err != nil {
			return err
		}
		if err := errors.Join(packager.Package(info, f), f.Close()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := r.wrote(name); err != nil {
			return err
		}
	}
	return nil
}

// describe returns the description of a package.
func (r *release) describe(t target, format string, contents files.Contents) *nfpm.Info {
	script := func(name string) string { return filepath.Join(r.folder, "release", "scripts", name) }
	info := &nfpm.Info{
		Name: program, Arch: t.arch, Platform: t.os, Version: r.version, Release: "1",
		Section: "net", Priority: "optional", License: "MIT",
		Maintainer:  "The Ignis for Go authors <ignis-go@users.noreply.github.com>",
		Homepage:    "https://github.com/ignis-go/ignis",
		Description: "realtime messages between browsers, services and workers\nIgnis is a WebSocket server. Clients authenticate, join rooms and receive\nmessages from other clients, and from services over Redis or HTTP.",
		MTime:       r.time,
	}
	info.Contents = contents
	info.DisableGlobbing = true
	info.Umask = 0o022
	info.Recommends = []string{"ca-certificates"}
	info.Scripts = nfpm.Scripts{PostInstall: script("postinstall"), PreRemove: script("preremove"), PostRemove: script("postremove")}
	info.RPM.BuildHost = "localhost" // otherwise the name of this machine
	info.RPM.Summary = "Realtime messages between browsers, services and workers"
	info.RPM.Group = "System Environment/Daemons"
	if format == "deb" {
		info.Suggests = []string{"redis-server", "bash-completion"}
	}
	return nfpm.WithDefaults(info)
}

// contents returns what a package installs. It writes the files that do not exist to the work
// folder.
func (r *release) contents(format, binary string, documents []document) (list files.Contents, err error) {
	add := func(source, destination, kind string, mode os.FileMode) {
		list = append(list, &files.Content{
			Source: source, Destination: destination, Type: kind,
			FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: r.time},
		})
	}
	units := filepath.Join(r.folder, "deploy", "systemd")
	add(binary, "/usr/bin/ignis", files.TypeFile, 0o755)
	add(filepath.Join(units, "ignis.service"), "/usr/lib/systemd/system/ignis.service", files.TypeFile, 0o644)
	add(filepath.Join(units, "ignis.socket"), "/usr/lib/systemd/system/ignis.socket", files.TypeFile, 0o644)
	add(filepath.Join(units, "ignis.sysusers"), "/usr/lib/sysusers.d/ignis.conf", files.TypeFile, 0o644)
	add(filepath.Join(units, "ignis.yaml"), "/etc/ignis/ignis.yaml", files.TypeConfigNoReplace, 0o644)
	add("", "/etc/ignis/secrets", files.TypeDir, 0o700)
	for _, d := range documents {
		source := filepath.Join(r.work, format, filepath.FromSlash(d.name))
		destination, text := installed(format, d)
		if err := os.MkdirAll(filepath.Dir(source), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(source, text, 0o644); err != nil {
			return nil, err
		}
		add(source, destination, files.TypeFile, 0o644)
	}
	return list, nil
}

// installed returns where a package installs a document, and in which form.
func installed(format string, d document) (destination string, text []byte) {
	base := path.Base(d.name)
	switch {
	case strings.HasPrefix(d.name, "man/"):
		return "/usr/share/" + d.name + ".gz", compress(d.text)
	case base == "ignis.bash":
		return "/usr/share/bash-completion/completions/ignis", d.text
	case base == "_ignis" && format == "deb":
		return "/usr/share/zsh/vendor-completions/_ignis", d.text
	case base == "_ignis":
		return "/usr/share/zsh/site-functions/_ignis", d.text
	case base == "ignis.fish":
		return "/usr/share/fish/vendor_completions.d/ignis.fish", d.text
	case base == "LICENSE" && format == "deb":
		return "/usr/share/doc/ignis/copyright", d.text
	case base == "LICENSE":
		return "/usr/share/licenses/ignis/LICENSE", d.text
	}
	return "/usr/share/doc/ignis/" + base, d.text
}

// compress compresses a manual page.
func compress(text []byte) []byte {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = z.Write(text)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		panic(err) // a buffer does not fail
	}
	return b.Bytes()
}
