package wire

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is the maximum nesting depth of objects and arrays in the data of a message.
// Deeper data is malformed. The message or envelope itself does not count, so whether data
// is valid does not depend on where it is used. The limit bounds the stack that a hostile
// message can use.
const MaxDepth = 512

// Valid returns nil if text is a single JSON value in valid UTF-8, nested no deeper than
// [MaxDepth]. Otherwise it returns an error that wraps [ErrFormat] and contains the
// position.
func Valid(text []byte) error {
	s := scanner{text: text}
	s.space()
	s.value(0)
	return s.end()
}

// EachField calls f with the key and the value of each field of a JSON object, in order.
// Escapes in keys are decoded, but keys are neither case-folded nor checked for
// duplicates. A key is valid only during the call. A value is valid JSON, as defined by
// [Valid], without surrounding white space, and shares memory with text. Errors wrap
// [ErrFormat], or [ErrShape] if text is valid JSON but not an object; f may have been
// called for the fields before the error.
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

// EachElement calls f with each element of a JSON array, in order. An element is valid JSON,
// as defined by [Valid], without surrounding white space, and shares memory with text. Errors
// wrap [ErrFormat], or [ErrShape] if text is valid JSON but not an array; f may have been
// called for the elements before the error.
func EachElement(text []byte, f func(value []byte)) error {
	s := scanner{text: text}
	s.space()
	if s.peek() != '[' {
		s.value(0)
		if err := s.end(); err != nil {
			return err
		}
		return fmt.Errorf("%w: not an array", ErrShape)
	}
	s.array(-1, nil, f) // this array does not count
	return s.end()
}

// ObjectScanner calls functions for the parts of a JSON object that contains a list, while it
// scans the text once. Package httpapi decodes batches with it.
type ObjectScanner struct {
	// List is the name of the field whose value is the list.
	List string
	// Field is called with each field of each object in the list, as by [EachField]. The list
	// and its objects do not count for [MaxDepth].
	Field func(key, value []byte)
	// Element is called after the fields of an object in the list, and for elements that are
	// not objects, as by [EachElement].
	Element func(value []byte)
	// Other is called with each field of the outer object, as by [EachField]. If the value of
	// the field List is an array, its value is nil.
	Other func(key, value []byte)
}

// Scan scans text. Errors are as for [EachField].
func (o *ObjectScanner) Scan(text []byte) error {
	s := scanner{text: text, list: o}
	s.space()
	if s.peek() != '{' {
		return EachField(text, func(_, _ []byte) {})
	}
	s.object(-1, o.Other)
	return s.end()
}

// eachElement is EachElement for an array that is valid.
func eachElement(text []byte, f func(value []byte)) {
	s := scanner{text: text}
	s.array(-1, nil, f)
}

// requireString decodes a JSON string that must be present and not empty. last is as for
// repeatedString.
func requireString(value []byte, field string, last *string) (string, error) {
	s, ok := repeatedString(value, last)
	if !ok || s == "" {
		return "", fmt.Errorf("%w: %s must be a non-empty string", ErrShape, field)
	}
	return s, nil
}

// stringValue decodes a JSON value, which must be valid. It reports false if the value is
// not a string.
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

// maxRepeated is the maximum length in bytes of a string that is kept because it may
// occur again.
const maxRepeated = 256

// repeatedString is like stringValue, but allocates no memory for a string that is equal to
// last. It then sets last to the string.
func repeatedString(value []byte, last *string) (string, bool) {
	if n := len(*last); n > 0 && len(value) == n+2 && value[0] == '"' && string(value[1:n+1]) == *last {
		return *last, true
	}
	s, ok := stringValue(value)
	// A string with a backslash must not be compared with one that is still escaped.
	if len(s) <= maxRepeated && strings.IndexByte(s, '\\') < 0 {
		*last = s
	}
	return s, ok
}

// stringsValue returns the strings in a JSON array, or nil for any other value. The value
// must be valid.
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

// appendUnescaped decodes the escapes in text, the contents of a valid JSON string, and
// appends the result to dst. Unpaired surrogates become U+FFFD, as in encoding/json.
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

// unescapedByte returns the byte for a backslash followed by c.
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

// hex4 returns the value of four hexadecimal digits.
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

// appendString appends s as JavaScript's JSON.stringify writes it. Invalid UTF-8 becomes
// U+FFFD.
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
