package docsite

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
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

// build adds the files that are made from the pages, and the assets.
func (s *Site) build(version string) error {
	index, err := s.index()
	if err != nil {
		return err
	}
	s.files["search.json"] = newFile(index)
	s.files["llms.txt"] = newFile(s.llms())
	s.files["llms-full.txt"] = newFile(s.llmsFull())
	for _, asset := range []string{"style.css", "theme.js", "site.js", "search.js", "icon.svg"} {
		content, err := assets.ReadFile("assets/" + asset)
		if err != nil {
			return err
		}
		s.files[asset] = newFile(content)
	}
	layout, err := template.New("page.html").Funcs(template.FuncMap{"asset": s.asset}).ParseFS(assets, "assets/page.html")
	if err != nil {
		return err
	}
	missing := &page{File: "404.md", Title: "Page not found", Body: "<h1>Page not found</h1><p>There is no such page. The menu lists all pages, and the search finds them.</p>"}
	for i, p := range append(slices.Clip(s.pages), missing) {
		d := view{Site: name, Description: description, Version: version, Policy: metaPolicy, Groups: s.groups, Page: p}
		if p != missing {
			if err := p.render(); err != nil {
				return err
			}
			d.Source = repository + "/blob/main/" + sourceFolder + "/" + p.File
			if i > 0 {
				d.Previous = s.pages[i-1]
			}
			if i+1 < len(s.pages) {
				d.Next = s.pages[i+1]
			}
		}
		var b bytes.Buffer
		if err := layout.Execute(&b, d); err != nil {
			return err
		}
		s.files[p.Name()] = newFile(b.Bytes())
	}
	return nil
}

// view is what the template of a page needs.
type view struct {
	Site, Description, Version string

	Policy         string
	Groups         []group
	Page           *page
	Previous, Next *page
	Source         string // URL of the Markdown in the repository; empty if there is none
}

// Home reports whether the page is the first one, which lists all others.
func (v view) Home() bool { return v.Page.File == "index.md" }

// asset returns the link to a file, which changes with it, so that browsers do not combine files of
// two versions.
func (s *Site) asset(name string) (string, error) {
	f, ok := s.files[name]
	if !ok {
		return "", fmt.Errorf("there is no asset %s", name)
	}
	return name + "?v=" + f.tag, nil
}

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
