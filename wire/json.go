package wire

import (
	"bytes"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is how many objects and arrays of a message's data may be inside one
// another; data that nests deeper counts as malformed. The object that is the
// message or envelope itself is not counted, so data that is valid by itself is
// valid wherever it is carried. The limit bounds the stack that one hostile
// message can use.
const MaxDepth = 512

// Valid returns nil when text is one JSON value in valid UTF-8, nested no
// deeper than [MaxDepth], and otherwise an error that wraps [ErrFormat] and says
// where it breaks.
func Valid(text []byte) error {
	s := scanner{text: text}
	s.space()
	s.value(0)
	return s.end()
}

// EachField calls f with the key and the value of each field of the JSON object
// text, in order. Keys come with their escapes decoded and are not folded: it is for
// f to compare them exactly, and to notice one that comes twice. Values are JSON
// texts without blanks around them, checked as [Valid] does. Both may share memory
// with text. An error wraps [ErrFormat], or [ErrShape] when
// text is valid JSON but not an object; f may have been called for fields before the
// fault.
func EachField(text []byte, f func(key, value []byte)) error {
	s := scanner{text: text}
	s.space()
	if s.peek() != '{' {
		s.value(0)
		if err := s.end(); err != nil {
			return err
		}
		return fmt.Errorf("%w: not an object", ErrShape)
	}
	s.object(-1, f) // this object does not count
	return s.end()
}

// eachElement calls f with each element of the JSON array text, which has been
// through a scanner.
func eachElement(text []byte, f func(value []byte)) {
	s := scanner{text: text}
	s.take('[')
	for s.space(); !s.take(']') && s.err == nil; s.space() {
		if s.take(',') {
			s.space()
		}
		start := s.pos
		s.value(0)
		f(text[start:s.pos])
	}
}

// requireString decodes a JSON string that must be there and not be empty.
func requireString(value []byte, field string) (string, error) {
	s, ok := stringValue(value)
	if !ok || s == "" {
		return "", fmt.Errorf("%w: %s must be a string that is not empty", ErrShape, field)
	}
	return s, nil
}

// stringValue decodes a JSON string; ok is false for anything else. The value
// has been through a scanner.
func stringValue(value []byte) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	body := value[1 : len(value)-1]
	if bytes.IndexByte(body, '\\') < 0 {
		return string(body), true
	}
	return string(appendUnescaped(make([]byte, 0, len(body)), body)), true
}

// stringsValue returns the strings in a JSON array; nil for anything else. The value
// has been through a scanner.
func stringsValue(value []byte) (list []string) {
	if len(value) == 0 || value[0] != '[' {
		return nil
	}
	eachElement(value, func(element []byte) {
		if item, ok := stringValue(element); ok {
			list = append(list, item)
		}
	})
	return list
}

// appendUnescaped appends what the text between the quotes of a JSON string spells.
// Halves of surrogate pairs become U+FFFD, as in encoding/json. The text has been
// through a scanner.
func appendUnescaped(dst, text []byte) []byte {
	for {
		n := bytes.IndexByte(text, '\\')
		if n < 0 {
			return append(dst, text...)
		}
		dst = append(dst, text[:n]...)
		c := text[n+1]
		text = text[n+2:]
		if c != 'u' {
			dst = append(dst, unescapedByte(c))
			continue
		}
		r := hex4(text)
		text = text[4:]
		if utf16.IsSurrogate(r) {
			pair := rune(utf8.RuneError)
			if len(text) >= 6 && text[0] == '\\' && text[1] == 'u' {
				pair = utf16.DecodeRune(r, hex4(text[2:]))
			}
			if r = pair; pair != utf8.RuneError {
				text = text[6:]
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
}

// unescapedByte returns what a backslash and c stand for.
func unescapedByte(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// hex4 returns the number that four hexadecimal digits spell.
func hex4(digits []byte) (r rune) {
	for _, c := range digits[:4] {
		switch {
		case isDigit(c):
			c -= '0'
		default:
			c = c | 0x20 - 'a' + 10
		}
		r = r<<4 | rune(c)
	}
	return r
}

// appendString appends s as JavaScript's JSON.stringify writes it. Bytes that
// are not UTF-8 become U+FFFD.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			_, n := utf8.DecodeRuneInString(s[i:])
			if n == 1 { // not UTF-8
				dst = append(dst, s[start:i]...)
				dst = utf8.AppendRune(dst, utf8.RuneError)
				start = i + n
			}
			i += n
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, `\b`...)
		case '\f':
			dst = append(dst, `\f`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			dst = append(dst, `\u00`...)
			dst = append(dst, hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
