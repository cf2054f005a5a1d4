package access

import (
	"slices"
	"unicode/utf8"
)

// classRange gives characters from lo to hi a class: their canonical combining class, or
// one of those below.
type classRange struct {
	lo, hi rune
	class  uint8
}

const (
	classSecond = 254 // combining class 0, but may be composed with the character before
	classNever  = 255 // never in normal form C
)

// composition is a character that consists of two others.
type composition struct{ composed, first, second rune }

// The syllables of Hangul are composed by arithmetic.
const (
	hangulL, hangulV, hangulT, hangulS     = 0x1100, 0x1161, 0x11a7, 0xac00
	hangulLs, hangulVs, hangulTs, hangulSs = 19, 21, 28, 19 * 21 * 28
)

// maxDecomposed is the maximum number of characters that one decomposes into, less those
// that are never in normal form C.
const maxDecomposed = 4

// isNFC reports whether a name is in Unicode's normal form C. The name must be valid UTF-8
// of at most MaxName characters.
func isNFC(name string) bool {
	last, sure := uint8(0), true
	for _, r := range name {
		class := classOf(r)
		if class == classNever {
			return false
		}
		if class == 0 {
			last = 0
			continue
		}
		sure = false
		if class == classSecond {
			class = 0
		}
		if class != 0 && class < last {
			return false
		}
		last = class
	}
	return sure || recomposesTo(name)
}

// recomposesTo reports whether decomposing the name and composing it again changes nothing.
func recomposesTo(name string) bool {
	var buf [maxDecomposed * MaxName]rune
	text := buf[:0]
	for _, r := range name {
		text = appendDecomposed(text, r)
	}
	sortMarks(text)
	i := 0
	text = compose(text)
	for _, r := range name {
		if i == len(text) || text[i] != r {
			return false
		}
		i++
	}
	return i == len(text)
}

// appendDecomposed appends what a character consists of.
func appendDecomposed(text []rune, r rune) []rune {
	if s := r - hangulS; s >= 0 && s < hangulSs {
		text = append(text, hangulL+s/(hangulVs*hangulTs), hangulV+s/hangulTs%hangulVs)
		if s%hangulTs != 0 {
			text = append(text, hangulT+s%hangulTs)
		}
		return text
	}
	i, ok := slices.BinarySearchFunc(compositions[:], r, func(c composition, r rune) int { return int(c.composed - r) })
	if !ok {
		return append(text, r)
	}
	return append(appendDecomposed(text, compositions[i].first), compositions[i].second)
}

// sortMarks puts combining marks that follow each other in canonical order. Few are out of
// order if the text was before it was decomposed, so each moves only a little.
func sortMarks(text []rune) {
	for i := 1; i < len(text); i++ {
		class := combiningClass(text[i])
		if class == 0 {
			continue
		}
		for k := i; k > 0 && combiningClass(text[k-1]) > class; k-- {
			text[k-1], text[k] = text[k], text[k-1]
		}
	}
}

// compose composes what can be composed, in place.
func compose(text []rune) []rune {
	if len(text) == 0 {
		return text
	}
	const blocked = 256
	first, n, last := 0, 1, int(combiningClass(text[0]))
	if last != 0 {
		last = blocked // a mark at the beginning has nothing to be composed with
	}
	for _, r := range text[1:] {
		class := int(combiningClass(r))
		if last < class || last == 0 {
			if c, ok := composeTwo(text[first], r); ok {
				text[first] = c
				continue
			}
		}
		if class == 0 {
			first = n
		}
		last = class
		text[n] = r
		n++
	}
	return text[:n]
}

// composeTwo returns the character that consists of a and b.
func composeTwo(a, b rune) (rune, bool) {
	if l, v := a-hangulL, b-hangulV; l >= 0 && l < hangulLs && v >= 0 && v < hangulVs {
		return hangulS + (l*hangulVs+v)*hangulTs, true
	}
	if s, t := a-hangulS, b-hangulT; s >= 0 && s < hangulSs && s%hangulTs == 0 && t > 0 && t < hangulTs {
		return a + t, true
	}
	i, ok := slices.BinarySearchFunc(byParts[:], composition{first: a, second: b}, func(i uint16, want composition) int {
		if c := compositions[i]; c.first != want.first {
			return int(c.first - want.first)
		} else {
			return int(c.second - want.second)
		}
	})
	if !ok {
		return utf8.RuneError, false
	}
	return compositions[byParts[i]].composed, true
}

// combiningClass returns the canonical combining class of a character.
func combiningClass(r rune) uint8 {
	if class := classOf(r); class < classSecond {
		return class
	}
	return 0
}

func classOf(r rune) uint8 {
	if r < classes[0].lo {
		return 0
	}
	i, ok := slices.BinarySearchFunc(classes[:], r, func(c classRange, r rune) int {
		switch {
		case c.hi < r:
			return -1
		case c.lo > r:
			return 1
		}
		return 0
	})
	if !ok {
		return 0
	}
	return classes[i].class
}
