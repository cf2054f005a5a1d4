package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/alecthomas/kong"
)

// version is set in releases with -ldflags "-X main.version=v1.2.3". Otherwise the build
// information is used.
var version string

// versionCmd prints the version of this program.
type versionCmd struct {
	JSON bool `name:"json" help:"Print a JSON object."`
}

// build describes how this program was built.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`

	time string // of the commit, in the form of RFC 3339; empty if unknown
}

// date returns the day of the commit, or "".
func (b build) date() string {
	day, _, _ := strings.Cut(b.time, "T")
	return day
}

// Run prints the version.
func (c *versionCmd) Run(_ context.Context, _ *kong.Context, std *stdio) error {
	b := thisBuild()
	if c.JSON {
		return json.NewEncoder(std.out).Encode(b)
	}
	revision := ""
	if b.Revision != "" {
		revision = " (" + b.Revision + ")"
	}
	_, err := fmt.Fprintf(std.out, "ignis %s%s %s %s/%s\n", b.Version, revision, b.Go, b.OS, b.Arch)
	return err
}

func thisBuild() build {
	b := build{Version: version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if ok && b.Version == "" {
		b.Version = info.Main.Version
	}
	if b.Version == "" {
		b.Version = "(devel)"
	}
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			b.Revision = s.Value[:min(12, len(s.Value))] + b.Revision
		case s.Key == "vcs.time":
			b.time = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			b.Revision += "+changes"
		}
	}
	return b
}
