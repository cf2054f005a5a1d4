package access

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// claimLists reports whether a claim is the text, or a list that contains it. A number is
// compared as it is written, and only if it is an integer without exponent. Other values
// equal no text. The claim is valid JSON, and the text valid UTF-8 and not empty.
func claimLists(claim []byte, text string) bool {
	s := scanner{data: claim}
	s.blanks()
	if s.peek() != '[' {
		return s.equals(text)
	}
	s.at++
	for {
		s.blanks()
		switch s.peek() {
		case 0, ']':
			return false
		case ',':
			s.at++
		default:
			if s.equals(text) {
				return true
			}
		}
	}
}

// absent reports whether a claim is missing.
func absent(claim []byte) bool {
	claim = bytes.TrimSpace(claim)
	return len(claim) == 0 || string(claim) == "null"
}

// scanner reads JSON without decoding it, so that nothing is allocated.
type scanner struct {
	data []byte
	at   int
}

// peek returns the next byte, or 0 at the end.
func (s *scanner) peek() byte {
	if s.at >= len(s.data) {
		return 0
	}
	return s.data[s.at]
}

func (s *scanner) blanks() {
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

// equals skips a value and reports whether it is the text.
func (s *scanner) equals(text string) bool {
	switch s.peek() {
	case '"':
		inside, escaped := s.skipString()
		if !escaped {
			return string(inside) == text
		}
		return unescapesTo(inside, text)
	case '{', '[':
		s.skipNested()
		return false
	}
	start := s.at
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case ' ', '\t', '\r', '\n', ',', ']', '}':
			return isInteger(s.data[start:s.at]) && string(s.data[start:s.at]) == text
		}
		s.at++
	}
	return isInteger(s.data[start:]) && string(s.data[start:]) == text
}

// skipString skips a string and returns what is between the quotes.
func (s *scanner) skipString() (inside []byte, escaped bool) {
	s.at++
	start := s.at
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case '"':
			inside = s.data[start:s.at]
			s.at++
			return inside, escaped
		case '\\':
			escaped = true
			s.at++
		}
		s.at++
	}
	s.at = len(s.data)
	return nil, false // not terminated
}

// skipNested skips an object or a list.
func (s *scanner) skipNested() {
	for depth := 0; s.at < len(s.data); {
		switch s.data[s.at] {
		case '"':
			s.skipString()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		s.at++
		if depth == 0 {
			return
		}
	}
}

// isInteger reports whether a JSON number consists of digits and perhaps a sign.
func isInteger(number []byte) bool {
	digits := bytes.TrimPrefix(number, []byte("-"))
	for _, b := range digits {
		if b < '0' || b > '9' {
			return false
		}
	}
	return len(digits) > 0
}

// unescapesTo reports whether the inside of a JSON string stands for the text. Half a
// surrogate pair stands for nothing.
func unescapesTo(inside []byte, text string) bool {
	for len(inside) > 0 {
		if inside[0] != '\\' {
			if text == "" || text[0] != inside[0] {
				return false
			}
			inside, text = inside[1:], text[1:]
			continue
		}
		r, n := unescape(inside)
		got, size := utf8.DecodeRuneInString(text)
		if n == 0 || size == 0 || got != r || r == utf8.RuneError {
			return false
		}
		inside, text = inside[n:], text[size:]
	}
	return text == ""
}

// unescape returns the character of the escape sequence at the beginning of text, and the
// length of the sequence, or 0 if it is not valid.
func unescape(text []byte) (r rune, n int) {
	if len(text) < 2 {
		return 0, 0
	}
	switch text[1] {
	case '"', '\\', '/':
		return rune(text[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	}
	r, ok := unescapeUnit(text)
	switch {
	case !ok:
		return 0, 0
	case !utf16.IsSurrogate(r):
		return r, 6
	}
	low, ok := unescapeUnit(text[6:])
	r = utf16.DecodeRune(r, low)
	if !ok || r == utf8.RuneError {
		return 0, 0
	}
	return r, 12
}

// unescapeUnit returns the UTF-16 code unit of the \u at the beginning of text.
func unescapeUnit(text []byte) (unit rune, ok bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	for _, b := range text[2:6] {
		switch {
		case b >= '0' && b <= '9':
			b -= '0'
		case b >= 'a' && b <= 'f':
			b -= 'a' - 10
		case b >= 'A' && b <= 'F':
			b -= 'A' - 10
		default:
			return 0, false
		}
		unit = unit<<4 | rune(b)
	}
	return unit, true
}
