package access

import (
	"slices"
	"strings"
)

// node is a position between two parts of patterns, in a tree of all patterns. Patterns
// that begin with the same parts, regardless of the names of variables, share its path.
type node struct {
	group *group           // rules whose pattern ends here, or nil
	texts map[string]*node // next nodes, by parts that are only text
	wilds map[string]*wild // other parts, by their prefix
	sizes []int            // lengths of these prefixes, longest first
}

// wild is what follows the prefix of a part that is not only text.
type wild struct {
	suffixes map[string]*node // next nodes, by the text after a variable
	sizes    []int            // lengths of these texts, longest first
	rest     *group           // rules whose pattern ends with * here, or nil
}

// group holds the rules whose patterns differ only in the names of their variables, so that
// they match the same names. The rules with {user} are in the order of the list. The rule
// without it, if there is one, comes last.
type group struct{ rules []*rule }

// values holds the values of the variables of a pattern, from left to right.
type values struct {
	text [MaxVariables]string
	n    int
}

// find returns the rules of the most specific pattern that matches a name, or nil. At each
// position, it tries text before a variable and a variable before *, so the first pattern
// that matches is the most specific one. It visits each node at most once, since only one
// path leads to it.
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

// find is node.find for a name whose current part continues with text. If more is true,
// the part is followed by a colon and rest.
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

// after returns the rules of the most specific pattern that matches the rest of a name. If more
// is false, the name has ended, and they are those of the pattern that ends here.
func (n *node) after(rest string, more bool, v *values) *group {
	if !more {
		return n.group
	}
	return n.find(rest, v)
}

// insert adds a pattern and returns the place for its rules.
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

// child returns the node of a key. It creates the map and the node if they are missing.
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

// insertSize adds a length to a sorted list, longest first, unless it contains it.
func insertSize(sizes []int, size int) []int {
	i, ok := slices.BinarySearchFunc(sizes, size, func(a, b int) int { return b - a })
	if ok {
		return sizes
	}
	return slices.Insert(sizes, i, size)
}
