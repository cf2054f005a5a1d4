package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf8"
)

// scanner validates JSON (RFC 8259) without building values. It stops at the first error,
// after which peek returns 0 and end returns the error.
//
// Package encoding/json is not suitable. It ignores the case of keys, so "Event" would be
// read as "event", and it accepts invalid UTF-8, for which browsers that receive it close
// their connections.
type scanner struct {
	text []byte
	pos  int
	err  error
	key  []byte // last decoded key that had escapes

	list *ObjectScanner // nil for other functions
}

func (s *scanner) fail(what string) {
	if s.err == nil {
		s.err = fmt.Errorf("%w: %s at byte %d", ErrFormat, what, s.pos)
	}
}

// end returns the first error. Text other than white space after the value is an error.
func (s *scanner) end() error {
	s.space()
	if s.err == nil && s.pos < len(s.text) {
		s.fail("unexpected text after the value")
	}
	return s.err
}

// peek returns the next byte, or 0 at the end and after an error.
func (s *scanner) peek() byte {
	if s.err != nil || s.pos >= len(s.text) {
		return 0
	}
	return s.text[s.pos]
}

func (s *scanner) space() {
	if s.pos < len(s.text) && s.text[s.pos] <= ' ' {
		s.skipSpace()
	}
}

func (s *scanner) skipSpace() {
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return
		}
	}
}

// take consumes c if it is next.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.pos++
	return true
}

// value scans a value that is nested in depth objects and arrays.
func (s *scanner) value(depth int) {
	switch c := s.peek(); {
	case (c == '{' || c == '[') && depth >= MaxDepth:
		s.fail("nested too deep")
	case c == '{':
		s.object(depth, nil)
	case c == '[':
		s.array(depth, nil, nil)
	case c == '"':
		s.str()
	case c == '-' || isDigit(c):
		s.number()
	case c == 't':
		s.literal("true")
	case c == 'f':
		s.literal("false")
	case c == 'n':
		s.literal("null")
	default:
		s.fail("expected a value")
	}
}

// object scans an object that is nested in depth others. It calls f for each field unless
// f is nil.
func (s *scanner) object(depth int, f func(key, value []byte)) {
	s.take('{')
	s.space()
	if s.take('}') {
		return
	}
	for s.err == nil {
		start := s.pos
		if s.peek() != '"' {
			s.fail("expected a key")
			return
		}
		s.str()
		key := s.text[start:s.pos]
		s.space()
		if !s.take(':') {
			s.fail("expected a colon after the key")
			return
		}
		s.space()
		start = s.pos
		if s.list != nil && depth < 0 && s.peek() == '[' && string(s.keyText(key)) == s.list.List {
			// The list and its objects do not count, as this object does not, so that a value
			// may be nested as deep in them as by itself.
			list := s.list
			s.list = nil // only this list is one
			s.array(depth-1, list.Field, list.Element)
			s.list, start = list, -1
		} else {
			s.value(depth + 1)
		}
		if s.err != nil {
			return
		}
		switch {
		case f == nil:
		case start < 0:
			f(s.keyText(key), nil)
		default:
			f(s.keyText(key), s.text[start:s.pos])
		}
		s.space()
		if s.take('}') {
			return
		}
		if !s.take(',') {
			s.fail("expected a comma or } after a field")
			return
		}
		s.space()
	}
}

// keyText decodes the JSON string key. The result is valid until the next call.
func (s *scanner) keyText(key []byte) []byte {
	key = key[1 : len(key)-1]
	if bytes.IndexByte(key, '\\') < 0 {
		return key
	}
	s.key = appendUnescaped(s.key[:0], key)
	return s.key
}

// array scans an array that is nested in depth others. It calls f for each element unless f is
// nil, and before that field for each field of the element if it is an object, unless field is
// nil.
func (s *scanner) array(depth int, field func(key, value []byte), f func(value []byte)) {
	s.take('[')
	s.space()
	if s.take(']') {
		return
	}
	for s.err == nil {
		start := s.pos
		if field != nil && s.peek() == '{' {
			s.object(depth+1, field)
		} else {
			s.value(depth + 1)
		}
		if s.err != nil {
			return
		}
		if f != nil {
			f(s.text[start:s.pos])
		}
		s.space()
		if s.take(']') {
			return
		}
		if !s.take(',') {
			s.fail("expected a comma or ] after an element")
			return
		}
		s.space()
	}
}

func (s *scanner) str() {
	s.take('"')
	for {
		s.pos += plain(s.text[s.pos:])
		if s.pos >= len(s.text) {
			s.fail("unterminated string")
			return
		}
		switch c := s.text[s.pos]; {
		case c == '"':
			s.pos++
			return
		case c == '\\':
			s.pos++
			if !s.escape() {
				s.fail("invalid escape")
				return
			}
		case c < ' ':
			s.fail("control character in a string")
			return
		default:
			_, n := utf8.DecodeRune(s.text[s.pos:])
			if n == 1 {
				s.fail("invalid UTF-8")
				return
			}
			s.pos += n
		}
	}
}

// plain returns the number of bytes at the start of b that stand for themselves in a
// string: ASCII without control characters, quotes and backslashes.
func plain(b []byte) int {
	const (
		ones = 0x0101010101010101
		high = 0x8080808080808080
	)
	n := 0
	for ; len(b)-n >= 8; n += 8 {
		// Examines 8 bytes at a time. x-ones*c has the high bit set in each byte that was
		// less than c, and perhaps in some after the first of those.
		x := binary.LittleEndian.Uint64(b[n:])
		quote, backslash := x^ones*'"', x^ones*'\\'
		special := ((x-ones*' ')&^x | (quote-ones)&^quote | (backslash-ones)&^backslash | x) & high
		if special != 0 {
			return n + bits.TrailingZeros64(special)/8
		}
	}
	for n < len(b) && b[n] >= ' ' && b[n] < utf8.RuneSelf && b[n] != '"' && b[n] != '\\' {
		n++
	}
	return n
}

// escape consumes the rest of an escape after the backslash.
func (s *scanner) escape() bool {
	if s.pos >= len(s.text) {
		return false
	}
	c := s.text[s.pos]
	s.pos++
	switch c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		for range 4 {
			if s.pos >= len(s.text) || !isHex(s.text[s.pos]) {
				return false
			}
			s.pos++
		}
		return true
	}
	return false
}

func (s *scanner) number() {
	s.take('-')
	if !s.take('0') && !s.digits() {
		s.fail("number without digits")
		return
	}
	if s.take('.') && !s.digits() {
		s.fail("number without digits after the decimal point")
		return
	}
	if s.take('e') || s.take('E') {
		_ = s.take('+') || s.take('-')
		if !s.digits() {
			s.fail("exponent without digits")
		}
	}
}

// digits consumes a run of digits and reports whether there was at least one.
func (s *scanner) digits() bool {
	start := s.pos
	for isDigit(s.peek()) {
		s.pos++
	}
	return s.pos > start
}

func (s *scanner) literal(word string) {
	if !bytes.HasPrefix(s.text[s.pos:], []byte(word)) {
		s.fail("expected a value")
		return
	}
	s.pos += len(word)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
