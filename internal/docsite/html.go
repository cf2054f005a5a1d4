package docsite

import (
	"bytes"
	"html"
	"regexp"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/renderer"
	ghtml "github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/util"
)

// newRenderer returns a renderer whose output contains no HTML of the source, except for a few
// harmless elements, and no dangerous links.
func newRenderer() renderer.Renderer {
	return renderer.NewRenderer(renderer.WithNodeRenderers(
		util.Prioritized(elements{}, 100),
		util.Prioritized(extension.NewTableHTMLRenderer(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute)), 500),
		util.Prioritized(extension.NewStrikethroughHTMLRenderer(), 500),
		util.Prioritized(extension.NewTaskCheckBoxHTMLRenderer(), 500),
		util.Prioritized(ghtml.NewRenderer(), 1000),
	))
}

// render sets the HTML of a page.
func (p *page) render() error {
	var b bytes.Buffer
	if err := newRenderer().Render(&b, p.source, p.root); err != nil {
		return err
	}
	p.Body = emptyHeader.ReplaceAllString(b.String(), "<td></td>")
	return nil
}

// emptyHeader matches the header of a column without a name, which is not a header for screen readers.
var emptyHeader = regexp.MustCompile(`<th(?: align="\w+")?></th>`)

// elements renders the elements that differ from those of goldmark.
type elements struct{}

// RegisterFuncs registers the functions that render.
func (elements) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindHeading, renderHeading)
	r.Register(ast.KindCodeBlock, renderCode)
	r.Register(ast.KindFencedCodeBlock, renderCode)
	r.Register(ast.KindHTMLBlock, renderBlock)
	r.Register(ast.KindRawHTML, renderRaw)
	r.Register(east.KindTable, renderTable)
	r.Register(ast.KindCodeSpan, renderCodeSpan)
}

// renderHeading adds a link to the section.
func renderHeading(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	tag := "h" + string("0123456"[n.(*ast.Heading).Level])
	id, _ := n.AttributeString("id")
	anchor, _ := id.([]byte) // none in lists and quotations
	switch {
	case entering && len(anchor) == 0:
		_, _ = w.WriteString("<" + tag + ">")
	case entering:
		_, _ = w.WriteString("<" + tag + ` id="` + html.EscapeString(string(anchor)) + `">`)
	default:
		if len(anchor) > 0 && tag != "h1" {
			_, _ = w.WriteString(`<a class="anchor" href="#` + html.EscapeString(string(anchor)) + `" aria-label="Link to this section"></a>`)
		}
		_, _ = w.WriteString("</" + tag + ">\n")
	}
	return ast.WalkContinue, nil
}

// renderCode colors code, and lets it scroll in a box.
func renderCode(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	language := ""
	if fenced, ok := n.(*ast.FencedCodeBlock); ok {
		language = string(fenced.Language(source))
	}
	_, _ = w.WriteString(`<div class="code" data-language="` + html.EscapeString(language) + `"><pre class="scroll"><code>`)
	color(w, language, string(n.Lines().Value(source)))
	_, _ = w.WriteString("</code></pre></div>\n")
	return ast.WalkSkipChildren, nil
}

// maxUnbroken is the maximum length in bytes of code that stays in one line. It fits into a narrow
// window.
const maxUnbroken = 28

// renderCodeSpan keeps short code, such as --drain-window, in one line.
func renderCodeSpan(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	var code []byte
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		if part, ok := c.(*ast.Text); ok {
			code = append(code, part.Value(source)...)
		}
	}
	code = bytes.ReplaceAll(code, []byte("\n"), []byte(" "))
	class := ""
	if len(code) <= maxUnbroken && !bytes.ContainsRune(code, ' ') {
		class = ` class="one"`
	}
	_, _ = w.WriteString("<code" + class + ">" + html.EscapeString(string(code)) + "</code>")
	return ast.WalkSkipChildren, nil
}

// harmless matches the HTML that a page may contain.
var harmless = regexp.MustCompile(`^(<br ?/?>|</?(kbd|sub|sup|b|i|em|strong|details|summary)>)$`)

// renderRaw passes harmless elements on, leaves out comments, and shows anything else as text.
func renderRaw(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		writeRaw(w, string(n.(*ast.RawHTML).Segments.Value(source)))
	}
	return ast.WalkSkipChildren, nil
}

// renderBlock is like renderRaw, for each line of a block.
func renderBlock(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	block := n.(*ast.HTMLBlock)
	content := string(block.Lines().Value(source))
	if block.HasClosure() {
		content += string(block.ClosureLine.Value(source))
	}
	if isComment(content) {
		return ast.WalkContinue, nil
	}
	for line := range strings.Lines(content) {
		writeRaw(w, strings.TrimSpace(line))
		_ = w.WriteByte('\n')
	}
	return ast.WalkContinue, nil
}

func writeRaw(w util.BufWriter, content string) {
	switch {
	case harmless.MatchString(content):
		_, _ = w.WriteString(content)
	case !isComment(content):
		_, _ = w.WriteString(html.EscapeString(content))
	}
}

// isComment reports whether HTML is one comment.
func isComment(content string) bool {
	content, ok := strings.CutPrefix(strings.TrimSpace(content), "<!--")
	return ok && strings.Index(content, "-->") == len(content)-len("-->")
}
