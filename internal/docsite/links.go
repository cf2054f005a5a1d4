package docsite

import (
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"strings"

	"github.com/yuin/goldmark/ast"
)

// repository is where files outside of the documentation are.
const repository = "https://github.com/ignis-go/ignis"

// sourceFolder is the folder of the documentation in the repository.
const sourceFolder = "docs"

// resolve changes the links and pictures of a page into those of the site, and returns what is
// wrong with them. images receives the pictures.
func (s *Site) resolve(files fs.FS, p *page, images map[string]bool) (problems []error) {
	wrong := func(target []byte, format string, args ...any) {
		problems = append(problems, fmt.Errorf("%s: link to %s: %s", p.File, target, fmt.Sprintf(format, args...)))
	}
	_ = ast.Walk(p.root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Link:
			target, reason := s.target(p, string(n.Destination))
			if reason != "" {
				wrong(n.Destination, "%s", reason)
			}
			s.name(p, n)
			n.Destination = []byte(target)
		case *ast.Image:
			name := string(n.Destination)
			if _, err := fs.Stat(files, name); err != nil {
				wrong(n.Destination, "pictures must be files that package docs embeds: %v", err)
			}
			images[name] = true
		case *ast.AutoLink:
			if _, reason := s.target(p, string(n.URL(p.source))); reason != "" && n.AutoLinkType == ast.AutoLinkURL {
				wrong(n.URL(p.source), "%s", reason)
			}
		}
		return ast.WalkContinue, nil
	})
	return problems
}

// name replaces the name of a page, as the text of a link to it, by the title of that page.
func (s *Site) name(from *page, link *ast.Link) {
	file, _, _ := strings.Cut(string(link.Destination), "#")
	to := s.byFile[file]
	if words := strings.TrimPrefix(from.plain(link), sourceFolder+"/"); to == nil || words != file {
		return
	}
	link.RemoveChildren(link)
	link.AppendChild(link, ast.NewString([]byte(to.Title)))
}

// target returns the link of the site for one in a page, or what is wrong with it.
func (s *Site) target(from *page, link string) (target, reason string) {
	u, err := url.Parse(link)
	switch {
	case err != nil:
		return "", err.Error()
	case u.Scheme != "":
		return link, checkExternal(u)
	case u.Host != "" || strings.HasPrefix(link, "/"):
		return "", "write it relative to the page, or with https://"
	case strings.HasPrefix(u.Path, "../"):
		return outside(u)
	}
	to := from
	if u.Path != "" {
		if to = s.byFile[u.Path]; to == nil {
			return "", "there is no such page"
		}
		target = to.Name()
	}
	if u.Fragment == "" {
		return target, ""
	}
	if !to.ids[u.Fragment] {
		return "", fmt.Sprintf("%s has no section #%s", to.File, u.Fragment)
	}
	return target + "#" + u.EscapedFragment(), ""
}

// checkExternal returns what is wrong with the form of a link to another site.
func checkExternal(u *url.URL) string {
	switch {
	case u.Scheme == "mailto":
		return ""
	case u.Scheme != "https" && u.Scheme != "http":
		return "only http, https and mailto are allowed"
	case u.Host == "" || u.User != nil:
		return "expected a host"
	}
	return ""
}

// outside returns the link to a file or folder of the repository that is not in the documentation.
func outside(u *url.URL) (target, reason string) {
	name := path.Join(sourceFolder, u.Path)
	if name == "." || strings.HasPrefix(name, "..") {
		return "", "it leaves the repository"
	}
	kind := "tree"
	if base := path.Base(name); path.Ext(base) != "" || base == "LICENSE" || base == "Makefile" {
		kind = "blob"
	}
	target = repository + "/" + kind + "/main/" + name
	if u.Fragment != "" {
		target += "#" + u.EscapedFragment()
	}
	return target, ""
}
