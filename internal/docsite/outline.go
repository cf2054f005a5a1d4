package docsite

import "github.com/yuin/goldmark/ast"

// Outline is what links depend on in a text in Markdown.
type Outline struct {
	Anchors map[string]bool // of the headings, as GitHub makes them
	Links   []string        // targets of links and pictures, as they are written
}

// OutlineOf returns the outline of a text in Markdown.
func OutlineOf(markdown []byte) Outline {
	var p page
	p.parse(markdown)
	o := Outline{Anchors: p.ids}
	_ = ast.Walk(p.root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			switch n := n.(type) {
			case *ast.Link:
				o.Links = append(o.Links, string(n.Destination))
			case *ast.Image:
				o.Links = append(o.Links, string(n.Destination))
			}
		}
		return ast.WalkContinue, nil
	})
	return o
}
