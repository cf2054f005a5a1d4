package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
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
	if bytes.IndexByte(value, '\\') < 0 {
		return string(value[1 : len(value)-1]), true
	}
	var s string // here, so that only this path allocates it
	err := json.Unmarshal(value, &s)
	return s, err == nil
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

// keyText returns what the JSON string key spells, without a copy unless it
// has escapes.
func keyText(key []byte) []byte {
	if bytes.IndexByte(key, '\\') < 0 {
		return key[1 : len(key)-1]
	}
	s, _ := stringValue(key)
	return []byte(s)
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
