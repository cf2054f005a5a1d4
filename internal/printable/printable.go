// Package printable makes text that came from outside fit for a log or a terminal:
// of bounded length, and without characters that would do something instead of being
// shown.
package printable

import (
	"fmt"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Text returns s in at most limit bytes, or somewhat more when it had to be cut: the
// result then says how long s was. Characters that act on a terminal or on the
// direction of text are written as escapes, and so are bytes that are not UTF-8.
func Text(s string, limit int) string {
	if len(s) <= limit && harmless(s) {
		return s
	}
	out := make([]byte, 0, min(len(s), limit)+32)
	for i := 0; i < len(s); {
		start := len(out)
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			out = fmt.Appendf(out, `\x%02x`, s[i])
		case r == '\n':
			out = append(out, `\n`...)
		case r == '\r':
			out = append(out, `\r`...)
		case r == '\t':
			out = append(out, `\t`...)
		case Acts(r):
			out = appendEscape(out, r)
		default:
			out = append(out, s[i:i+n]...)
		}
		if len(out) > limit {
			return string(fmt.Appendf(out[:start], "… (%d bytes)", len(s)))
		}
		i += n
	}
	return string(out)
}

// JSON returns a valid JSON text with all characters that [Acts] reports written as
// \u escapes, which mean the same. It returns text itself when it has none.
func JSON(text []byte) []byte {
	var out []byte
	done := 0 // what is in out, of text
	for i := 0; i < len(text); {
		if b := text[i]; b < utf8.RuneSelf && b != 0x7f {
			i++ // below a space JSON has only blanks between values
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		if Acts(r) {
			out = append(out, text[done:i]...)
			out = appendEscape(out, r)
			done = i + n
		}
		i += n
	}
	if done == 0 {
		return text
	}
	return append(out, text[done:]...)
}

// Acts reports whether a character does something other than being shown: it controls
// a terminal (C0, DEL, C1), the direction of text or the end of a line, or is
// invisible. The two that join letters and emoji, U+200C and U+200D, are left alone.
func Acts(r rune) bool {
	switch {
	case r >= ' ' && r < 0x7f, r == 0x200c, r == 0x200d:
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// harmless reports whether s needs no escapes.
func harmless(s string) bool {
	for i, r := range s {
		if Acts(r) {
			return false
		}
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return false
			}
		}
	}
	return true
}

// appendEscape appends a character in the form that JSON has for it.
func appendEscape(dst []byte, r rune) []byte {
	if r > 0xffff {
		high, low := utf16.EncodeRune(r)
		return fmt.Appendf(dst, `\u%04x\u%04x`, high, low)
	}
	return fmt.Appendf(dst, `\u%04x`, r)
}
