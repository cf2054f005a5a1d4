package docsite

import (
	"bytes"
	"maps"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// page is a page of a site.
type page struct {
	File  string // in the source, such as tokens.md
	Short string // title in lists of pages
	Group string

	Title    string    // first heading
	Summary  string    // first sentence of its text, or empty
	Body     string    // HTML
	Headings []heading // below the title
	sections []section

	source []byte
	root   ast.Node
	ids    anchors
}

// heading is an entry of the table of contents of a page.
type heading struct {
	Level        int
	Anchor, Text string
}

// section is the text below a heading, as far as the next one, or a row of a table that has entries.
type section struct{ anchor, heading, text string }

// Name returns the name of the file in the site.
func (p *page) Name() string { return htmlName(p.File) }

func htmlName(file string) string { return strings.TrimSuffix(file, ".md") + ".html" }

// maxContents is the maximum number of headings in a table of contents that has two levels.
const maxContents = 40

// Contents returns the table of contents: two levels of headings, or one if there are many.
func (p *page) Contents() (list []heading) {
	for _, level := range []int{3, 2} {
		list = nil
		for _, h := range p.Headings {
			if h.Level <= level {
				list = append(list, h)
			}
		}
		if len(list) <= maxContents {
			break
		}
	}
	return list
}

// newParser returns a parser of the Markdown that GitHub understands.
func newParser() parser.Parser {
	return parser.NewParser(
		parser.WithBlockParsers(parser.DefaultBlockParsers()...),
		parser.WithInlineParsers(append(parser.DefaultInlineParsers(),
			util.Prioritized(extension.NewStrikethroughParser(), 500),
			util.Prioritized(extension.NewTaskCheckBoxParser(), 0),
			util.Prioritized(extension.NewLinkifyParser(), 999),
		)...),
		parser.WithParagraphTransformers(append(parser.DefaultParagraphTransformers(),
			util.Prioritized(extension.NewTableParagraphTransformer(), 200),
		)...),
		parser.WithASTTransformers(util.Prioritized(extension.NewTableASTTransformer(), 0)),
	)
}

// parse parses the source of a page and finds its title and its anchors.
func (p *page) parse(source []byte) {
	p.source = bytes.ReplaceAll(source, []byte("\r\n"), []byte("\n"))
	p.root = newParser().Parse(text.NewReader(p.source))
	p.ids = make(anchors)
	for n := p.root.FirstChild(); n != nil; n = n.NextSibling() {
		h, ok := n.(*ast.Heading)
		if !ok {
			continue
		}
		title := p.plain(h)
		h.SetAttributeString("id", []byte(p.ids.add(title)))
		if h.Level == 1 && p.Title == "" {
			p.Title = title
		}
	}
}

// read reads the text of a page, after its links have been resolved.
func (p *page) read() {
	p.arrangeTables()
	p.sections = []section{{}}
	current := 0 // index of the section of the last heading
	used := maps.Clone(p.ids)
	for n := p.root.FirstChild(); n != nil; n = n.NextSibling() {
		if table, ok := n.(*east.Table); ok && hasEntries(table) {
			p.sections = append(p.sections, p.entries(table, used)...)
			continue
		}
		words := p.plain(n)
		h, ok := n.(*ast.Heading)
		switch {
		case !ok:
			if _, ok := n.(*ast.Paragraph); ok && p.Summary == "" {
				p.Summary = firstSentence(words)
			}
			p.sections[current].text = strings.TrimSpace(p.sections[current].text + " " + words)
		case h.Level > 1 || words != p.Title:
			id, _ := h.AttributeString("id")
			anchor, _ := id.([]byte)
			p.Headings = append(p.Headings, heading{h.Level, string(anchor), words})
			current = len(p.sections)
			p.sections = append(p.sections, section{anchor: string(anchor), heading: words})
		}
	}
}

// plain returns the text of a node without markup, in one line.
func (p *page) plain(n ast.Node) string {
	var b strings.Builder
	p.write(&b, n)
	return strings.Join(strings.Fields(b.String()), " ")
}

func (p *page) write(b *strings.Builder, n ast.Node) {
	switch n := n.(type) {
	case *ast.Text:
		value := n.Value(p.source)
		if _, code := n.Parent().(*ast.CodeSpan); !code {
			value = util.UnescapePunctuations(util.ResolveEntityNames(util.ResolveNumericReferences(value)))
		}
		b.Write(value)
		if n.SoftLineBreak() || n.HardLineBreak() {
			b.WriteByte(' ')
		}
		return
	case *ast.String:
		b.Write(n.Value)
		return
	case *ast.AutoLink:
		b.Write(n.Label(p.source))
		return
	case *ast.RawHTML:
		b.WriteByte(' ') // such as a line break
		return
	case *ast.HTMLBlock:
		return
	case *ast.CodeBlock, *ast.FencedCodeBlock:
		b.Write(n.Lines().Value(p.source))
		return
	case *east.TableHeader, *east.TableRow:
		b.WriteString(p.cells(n.FirstChild()) + " ")
		return
	}
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		p.write(b, c)
		if c.Type() == ast.TypeBlock {
			b.WriteByte(' ')
		}
	}
}

// cells returns the texts of a cell and those to its right, without empty ones.
func (p *page) cells(cell ast.Node) string {
	var list []string
	for ; cell != nil; cell = cell.NextSibling() {
		if words := p.plain(cell); words != "" {
			list = append(list, words)
		}
	}
	return strings.Join(list, " · ")
}

// firstSentence returns the first sentence of a text.
func firstSentence(words string) string {
	for i := range len(words) - 1 {
		if words[i+1] == ' ' && strings.IndexByte(".?!", words[i]) >= 0 {
			return words[:i+1]
		}
	}
	return strings.TrimSuffix(words, ":")
}
