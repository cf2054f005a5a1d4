package docsite

import (
	"strconv"
	"strings"
	"unicode"
)

// anchors makes the anchors of the headings of a page, as GitHub does, so that links work in both
// places.
type anchors map[string]bool

// add returns the anchor of the next heading with this text.
func (a anchors) add(heading string) string {
	base := slug(heading)
	anchor := base
	for n := 1; a[anchor]; n++ {
		anchor = base + "-" + strconv.Itoa(n)
	}
	a[anchor] = true
	return anchor
}

// slug returns a text in lower case, with hyphens for spaces and without punctuation.
func slug(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || unicode.In(r, unicode.Letter, unicode.Mark, unicode.Nd, unicode.Pc):
			return unicode.ToLower(r)
		}
		return -1
	}, text)
}
