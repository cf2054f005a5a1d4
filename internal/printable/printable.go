// Package printable makes untrusted text safe for logs and terminals. It limits the length,
// and escapes characters that have an effect instead of being displayed.
package printable

import (
	"fmt"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Text returns s truncated to limit bytes. If it was truncated, a note with the original length
// is appended. Characters that control a terminal or the direction of text are escaped, and so
// are bytes that are not valid UTF-8.
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

// JSON returns an equivalent JSON text in which all characters that [Acts] reports are replaced
// with \u escapes. The text must be valid JSON. If it contains none of these characters, JSON
// returns text itself.
func JSON(text []byte) []byte {
	var out []byte
	done := 0 // number of bytes of text that were copied to out
	for i := 0; i < len(text); {
		if b := text[i]; b < utf8.RuneSelf && b != 0x7f {
			i++ // the only control characters in valid JSON are blanks between values
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

// Acts reports whether a character has an effect instead of being displayed: whether it controls
// a terminal (C0, DEL, C1), the direction of text or line breaks, or is invisible. U+200C and
// U+200D, which join letters and emoji, are exceptions: Acts returns false for them.
func Acts(r rune) bool {
	switch {
	case r >= ' ' && r < 0x7f, r == 0x200c, r == 0x200d:
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// harmless reports whether s can be displayed without escapes.
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

// appendEscape appends the JSON escape of a character.
func appendEscape(dst []byte, r rune) []byte {
	if r > 0xffff {
		high, low := utf16.EncodeRune(r)
		return fmt.Appendf(dst, `\u%04x\u%04x`, high, low)
	}
	return fmt.Appendf(dst, `\u%04x`, r)
}
