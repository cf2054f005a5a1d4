package access

import (
	"slices"
	"strings"
)

// node is a place between two parts of patterns. The patterns that start with the same
// parts share its path, whatever their variables are called.
type node struct {
	group *group           // of the pattern that ends here; nil: none does
	texts map[string]*node // behind parts that are text only
	wilds map[string]*wild // other parts by their prefix
	sizes []int            // lengths of these prefixes, the longest first
}

// wild is a part that is not only text, without its prefix.
type wild struct {
	suffixes map[string]*node // behind a variable and this text
	sizes    []int            // lengths of the suffixes, the longest first
	rest     *group           // of the pattern that ends with * here; nil: none does
}

// group is the rules whose patterns differ only in the names of their variables, so that
// they match the same names. The rules with {user} are in the order of the list. The one
// without, if there is one, is the last.
type group struct{ rules []*rule }

// values are what the variables of a pattern stand for, from left to right.
type values struct {
	text [MaxVariables]string
	n    int
}

// find returns the rules of the most specific pattern that matches a name, or nil. Names
// are compared from left to right, and in each place text comes first, then a variable and
// then *. So the first pattern that fits is the most specific one. No node is visited
// twice, because there is one path to each.
func (n *node) find(name string, v *values) *group {
	part, rest, more := strings.Cut(name, ":")
	if next := n.texts[part]; next != nil {
		if g := next.after(rest, more, v); g != nil {
			return g
		}
	}
	for _, size := range n.sizes {
		if size > len(part) || size == len(name) {
			continue
		}
		w := n.wilds[part[:size]]
		if w == nil {
			continue
		}
		if g := w.find(part[size:], rest, more, v); g != nil {
			return g
		}
		if w.rest != nil {
			return w.rest
		}
	}
	return nil
}

// find does that for names whose next part continues with text and that have more behind
// the colon.
func (w *wild) find(text, rest string, more bool, v *values) *group {
	for _, size := range w.sizes {
		end := len(text) - size
		if end <= 0 {
			continue
		}
		next := w.suffixes[text[end:]]
		if next == nil {
			continue
		}
		v.text[v.n] = text[:end]
		v.n++
		if g := next.after(rest, more, v); g != nil {
			return g
		}
		v.n--
	}
	return nil
}

// after returns the rules of the pattern that ends here, or with more to match goes on.
func (n *node) after(rest string, more bool, v *values) *group {
	if !more {
		return n.group
	}
	return n.find(rest, v)
}

// insert adds a pattern and returns the place of its rules.
func (n *node) insert(parts []part) **group {
	if len(parts) == 0 {
		return &n.group
	}
	p := parts[0]
	if p.kind == partText {
		return child(&n.texts, p.prefix).insert(parts[1:])
	}
	n.sizes = insertSize(n.sizes, len(p.prefix))
	if n.wilds == nil {
		n.wilds = make(map[string]*wild)
	}
	w := n.wilds[p.prefix]
	if w == nil {
		w = new(wild)
		n.wilds[p.prefix] = w
	}
	if p.kind == partRest {
		return &w.rest
	}
	w.sizes = insertSize(w.sizes, len(p.suffix))
	return child(&w.suffixes, p.suffix).insert(parts[1:])
}

// child returns the node of a key, and makes it if need be.
func child(m *map[string]*node, key string) *node {
	if *m == nil {
		*m = make(map[string]*node)
	}
	n := (*m)[key]
	if n == nil {
		n = new(node)
		(*m)[key] = n
	}
	return n
}

// insertSize adds a length to a list that begins with the longest.
func insertSize(sizes []int, size int) []int {
	i, ok := slices.BinarySearchFunc(sizes, size, func(a, b int) int { return b - a })
	if ok {
		return sizes
	}
	return slices.Insert(sizes, i, size)
}
