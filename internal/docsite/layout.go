package docsite

import (
	"fmt"
	"html"
	"strings"
)

// This file lays out a page around its text. It does not use html/template, which finds methods by
// name, so that the linker would have to keep all methods in the program.

// view is what the layout of a page shows.
type view struct {
	site           *Site
	version        string
	page           *page
	previous, next *page
	source         string // URL of the Markdown in the repository; empty if there is none
}

// home reports whether the page is the first one, which lists all others.
func (v *view) home() bool { return v.page.File == "index.md" }

// fill replaces the placeholders of the layout.
func (v *view) fill(layout string) string {
	title, summary := v.page.Title+" · "+name, v.page.Summary
	if v.home() {
		title = name + ": documentation"
	}
	if v.home() || summary == "" {
		summary = description
	}
	pairs := []string{
		"{{policy}}", html.EscapeString(metaPolicy),
		"{{title}}", html.EscapeString(title),
		"{{summary}}", html.EscapeString(summary),
		"{{links}}", v.links(),
		"{{menu}}", v.menu(),
		"{{contents}}", v.contents(),
		"{{group}}", optional("\n      <p class=\"group\">%s</p>", v.page.Group),
		"{{body}}", v.page.Body, // the renderer has escaped it
		"{{cards}}", v.cards(),
		"{{pager}}", v.pager(),
		"{{footer}}", v.footer(),
	}
	for _, asset := range assetNames {
		pairs = append(pairs, "{{"+asset+"}}", html.EscapeString(v.site.asset(asset)))
	}
	pairs = append(pairs, "{{search.json}}", html.EscapeString(v.site.asset("search.json")))
	return strings.NewReplacer(pairs...).Replace(layout)
}

// element returns HTML in which each value of the format is escaped.
func element(format string, values ...string) string {
	escaped := make([]any, len(values))
	for i, v := range values {
		escaped[i] = html.EscapeString(v)
	}
	return fmt.Sprintf(format, escaped...)
}

// optional returns an element with a value, or nothing if the value is empty.
func optional(format, value string) string {
	if value == "" {
		return ""
	}
	return element(format, value)
}

// links returns the links in the head.
func (v *view) links() string {
	var b strings.Builder
	if v.source != "" {
		b.WriteString(element("\n  <link rel=\"alternate\" href=\"%s\" type=\"text/markdown\" title=\"Markdown\">", v.page.File))
	}
	if v.previous != nil {
		b.WriteString(element("\n  <link rel=\"prev\" href=\"%s\">", v.previous.Name()))
	}
	if v.next != nil {
		b.WriteString(element("\n  <link rel=\"next\" href=\"%s\">", v.next.Name()))
	}
	return b.String()
}

// menu returns the list of all pages.
func (v *view) menu() string {
	var b strings.Builder
	for _, g := range v.site.groups {
		b.WriteString(element("\n      <h2>%s</h2>\n      <ul>", g.Name))
		for _, p := range g.Pages {
			current := ""
			if p.File == v.page.File {
				current = ` aria-current="page"`
			}
			b.WriteString(element("\n        <li><a href=\"%s\"", p.Name()) + current + element(">%s</a></li>", p.Short))
		}
		b.WriteString("\n      </ul>")
	}
	return b.String()
}

// contents returns the table of contents, unless it has only one entry.
func (v *view) contents() string {
	list := v.page.Contents()
	if len(list) <= 1 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n    <nav class=\"contents\" aria-label=\"On this page\">\n      <details id=\"contents\">\n" +
		"        <summary>On this page</summary>\n        <ul>")
	for _, h := range list {
		b.WriteString(element("\n          <li class=\"level%s\"><a href=\"#%s\">%s</a></li>", fmt.Sprint(h.Level), h.Anchor, h.Text))
	}
	b.WriteString("\n        </ul>\n      </details>\n    </nav>")
	return b.String()
}

// cards returns the list of all other pages with their summaries, for the first page.
func (v *view) cards() string {
	if !v.home() {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n      <div class=\"cards\">")
	for _, g := range v.site.groups {
		b.WriteString(element("\n        <section>\n          <h2>%s</h2>\n          <ul>", g.Name))
		for _, p := range g.Pages {
			if p.File != v.page.File {
				b.WriteString(element("\n            <li><a href=\"%s\">%s</a><span>%s</span></li>", p.Name(), p.Short, p.Summary))
			}
		}
		b.WriteString("\n          </ul>\n        </section>")
	}
	b.WriteString("\n      </div>")
	return b.String()
}

// pager returns the links to the previous and the next page.
func (v *view) pager() string {
	if v.previous == nil && v.next == nil {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n      <nav class=\"pager\" aria-label=\"Previous and next page\">")
	if p := v.previous; p != nil {
		b.WriteString(element("\n        <a class=\"previous\" href=\"%s\" rel=\"prev\"><small>Previous</small>%s</a>", p.Name(), p.Short))
	}
	if p := v.next; p != nil {
		b.WriteString(element("\n        <a class=\"next\" href=\"%s\" rel=\"next\"><small>Next</small>%s</a>", p.Name(), p.Short))
	}
	b.WriteString("\n      </nav>")
	return b.String()
}

// footer returns the links to the source of the page, and the version.
func (v *view) footer() string {
	source := ""
	if v.source != "" {
		source = element("\n        <a href=\"%s\">This page on GitHub</a>\n        <a href=\"%s\">Markdown</a>", v.source, v.page.File)
	}
	return source + "\n        <a href=\"llms.txt\">llms.txt</a>" + optional("\n        <span>Ignis %s</span>", v.version)
}
