package docsite

import (
	"strings"
	"unicode/utf8"

	"github.com/yuin/goldmark/ast"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/util"
)

const (
	// maxTable is the maximum width in characters of a table that is readable as columns. It is more
	// than a page has, because a reader can scroll a little.
	maxTable = 180
	// minText is the width in characters that a column needs for a text.
	minText = 26
)

// stacked is the attribute of tables whose rows are shown as blocks.
const stacked = "data-stacked"

// arrangeTables decides which tables are too wide for columns. In these, each cell gets the header
// of its column as a label. Tables whose first column has no header compare the others, so they
// keep their columns.
func (p *page) arrangeTables() {
	_ = ast.Walk(p.root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		table, ok := n.(*east.Table)
		if !ok || !entering {
			return ast.WalkContinue, nil
		}
		if headers, width := p.measure(table); width > maxTable && headers[0] != "" {
			table.SetAttributeString(stacked, []byte("true"))
			for row := table.FirstChild().NextSibling(); row != nil; row = row.NextSibling() {
				i := 0
				for cell := row.FirstChild(); cell != nil && i < len(headers); cell, i = cell.NextSibling(), i+1 {
					cell.SetAttributeString("data-label", []byte(headers[i]))
				}
			}
		}
		return ast.WalkSkipChildren, nil
	})
}

// measure returns the headers of a table, and the width in characters that its columns need.
func (p *page) measure(table *east.Table) (headers []string, width int) {
	var columns []int
	for row := table.FirstChild(); row != nil; row = row.NextSibling() {
		i := 0
		for cell := row.FirstChild(); cell != nil; cell, i = cell.NextSibling(), i+1 {
			text := p.plain(cell)
			if row == table.FirstChild() {
				headers = append(headers, text)
				columns = append(columns, 0)
			}
			if i < len(columns) {
				columns[i] = max(columns[i], needed(text))
			}
		}
	}
	for _, column := range columns {
		width += column + 3 // its padding
	}
	return headers, width
}

// needed returns the width that a text needs: that of its longest word, and enough for a few words.
func needed(text string) int {
	width := min(utf8.RuneCountInString(text), minText)
	for word := range strings.FieldsSeq(text) {
		width = max(width, utf8.RuneCountInString(word))
	}
	return width
}

// minEntries is the minimum number of rows of a table that has entries.
const minEntries = 4

// hasEntries reports whether the rows of a table are about names in code, such as those of settings.
// A few may be about something else.
func hasEntries(table *east.Table) bool {
	names, rows := 0, table.ChildCount()-1
	for row := table.FirstChild().NextSibling(); row != nil; row = row.NextSibling() {
		switch cell := row.FirstChild(); {
		case cell == nil || cell.FirstChild() == nil:
			return false
		case cell.FirstChild().Kind() == ast.KindCodeSpan:
			names++
		}
	}
	return rows >= minEntries && names*5 >= rows*4
}

// entries gives each row of a table an anchor, and returns the rows as sections. The search then
// leads to a row. Texts in Markdown cannot link to it, because GitHub has no such anchor.
func (p *page) entries(table *east.Table, used anchors) (list []section) {
	for row := table.FirstChild().NextSibling(); row != nil; row = row.NextSibling() {
		name := p.plain(row.FirstChild())
		anchor := used.add(name)
		row.SetAttributeString("id", []byte(anchor))
		list = append(list, section{anchor, name, p.cells(row.FirstChild().NextSibling())})
	}
	return list
}

// renderTable lets a table scroll in a box.
func renderTable(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		_, _ = w.WriteString("</table></div>\n")
		return ast.WalkContinue, nil
	}
	class := "table scroll"
	if _, ok := n.AttributeString(stacked); ok {
		class = "table stacked"
	}
	_, _ = w.WriteString(`<div class="` + class + "\" role=\"group\" aria-label=\"Table\"><table>\n")
	return ast.WalkContinue, nil
}
