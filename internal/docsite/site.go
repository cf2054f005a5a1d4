package docsite

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

const (
	name        = "Ignis for Go"
	description = "Realtime messaging for production: a WebSocket server with rooms, access rules, an HTTP API, webhooks, " +
		"encryption and schedules, as one program or a Go library, and a client for browsers. Compatible with Ignis on Bun."
)

//go:embed assets
var assets embed.FS

// Site is a rendered documentation. It does not change and may be used concurrently.
type Site struct {
	files map[string]file

	groups []group
	pages  []*page
	byFile map[string]*page
}

// file is a file of the site.
type file struct {
	content []byte
	tag     string // changes with the content
}

func newFile(content []byte) file {
	sum := sha256.Sum256(content)
	return file{content, hex.EncodeToString(sum[:6])}
}

// New renders the pages in a folder, in which navigation.txt lists them. The version is shown on
// each page unless it is empty. Links and pictures that lead nowhere are errors.
func New(source fs.FS, version string) (*Site, error) {
	groups, err := readNavigation(source)
	if err != nil {
		return nil, fmt.Errorf("documentation: %w", err)
	}
	s := &Site{files: make(map[string]file), groups: groups, byFile: make(map[string]*page)}
	for _, g := range groups {
		for _, p := range g.Pages {
			text, err := fs.ReadFile(source, p.File)
			if err != nil {
				return nil, fmt.Errorf("documentation: %w", err)
			}
			p.parse(text)
			s.pages = append(s.pages, p)
			s.byFile[p.File] = p
			s.files[p.File] = newFile(p.source) // before the links are changed
		}
	}
	if err := s.resolveAll(source); err != nil {
		return nil, fmt.Errorf("documentation: %w", err)
	}
	if err := s.build(version); err != nil {
		return nil, fmt.Errorf("documentation: %w", err)
	}
	return s, nil
}

// resolveAll resolves the links of all pages and adds the pictures.
func (s *Site) resolveAll(source fs.FS) error {
	var problems []error
	images := make(map[string]bool)
	for _, p := range s.pages {
		if p.Title == "" {
			problems = append(problems, fmt.Errorf("%s has no title", p.File))
		}
		problems = append(problems, s.resolve(source, p, images)...)
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	for _, p := range s.pages {
		p.read()
	}
	for image := range images {
		content, err := fs.ReadFile(source, image)
		if err != nil {
			return err
		}
		s.files[image] = newFile(content)
	}
	return nil
}

// assetNames are the files that all pages need.
var assetNames = []string{"style.css", "theme.js", "site.js", "search.js", "icon.svg"}

// build adds the files that are made from the pages, and the assets.
func (s *Site) build(version string) error {
	index, err := s.index()
	if err != nil {
		return err
	}
	s.files["search.json"] = newFile(index)
	s.files["llms.txt"] = newFile(s.llms())
	s.files["llms-full.txt"] = newFile(s.llmsFull())
	for _, asset := range assetNames {
		content, err := assets.ReadFile("assets/" + asset)
		if err != nil {
			return err
		}
		s.files[asset] = newFile(content)
	}
	layout, err := assets.ReadFile("assets/page.html")
	if err != nil {
		return err
	}
	missing := &page{File: "404.md", Title: "Page not found", Body: "<h1>Page not found</h1><p>There is no such page. The menu lists all pages, and the search finds them.</p>"}
	for i, p := range append(slices.Clip(s.pages), missing) {
		v := view{site: s, version: version, page: p}
		if p != missing {
			if err := p.render(); err != nil {
				return err
			}
			v.source = repository + "/blob/main/" + sourceFolder + "/" + p.File
			if i > 0 {
				v.previous = s.pages[i-1]
			}
			if i+1 < len(s.pages) {
				v.next = s.pages[i+1]
			}
		}
		s.files[p.Name()] = newFile([]byte(v.fill(string(layout))))
	}
	return nil
}

// asset returns the link to a file, which changes with it, so that browsers do not combine files of
// two versions.
func (s *Site) asset(name string) string { return name + "?v=" + s.files[name].tag }

// Names returns the names of all files, sorted.
func (s *Site) Names() []string { return slices.Sorted(maps.Keys(s.files)) }

// Write writes all files into a folder, which it creates if necessary. It replaces files of the
// same name and leaves others alone.
func (s *Site) Write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // a web server reads it
		return err
	}
	for _, name := range s.Names() {
		if err := os.WriteFile(filepath.Join(dir, name), s.files[name].content, 0o644); err != nil { //nolint:gosec // as above
			return err
		}
	}
	return nil
}
