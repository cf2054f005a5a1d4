package access

import (
	"bytes"
	"encoding/json"
)

// blanks are the characters that JSON allows between values.
const blanks = " \t\r\n"

// absent reports whether a claim is missing.
func absent(claim []byte) bool {
	claim = bytes.Trim(claim, blanks)
	return len(claim) == 0 || string(claim) == "null"
}

// claimLists reports whether a claim, which is JSON, is the text or a list that contains
// it. It reads the JSON itself because decoding it would allocate memory for each decision.
// Invalid JSON may be reported either way, but does no harm.
func claimLists(claim []byte, text string) bool {
	claim = bytes.Trim(claim, blanks)
	list, ok := bytes.CutPrefix(claim, []byte("["))
	if !ok {
		return claimIs(claim, text)
	}
	for {
		list = bytes.TrimLeft(list, blanks+",")
		if len(list) == 0 || list[0] == ']' {
			return false
		}
		n := valueLen(list)
		if claimIs(list[:n], text) {
			return true
		}
		list = list[n:]
	}
}

// claimIs reports whether a JSON value is the text. An integer is compared as it is
// written. All other values that are not strings differ from every text.
func claimIs(value []byte, text string) bool {
	switch {
	case len(value) < 2 || value[0] != '"':
		return string(value) == text && isInteger(text)
	case value[len(value)-1] != '"':
		return false
	case bytes.IndexByte(value, '\\') < 0:
		return string(value[1:len(value)-1]) == text
	}
	var s string
	return json.Unmarshal(value, &s) == nil && s == text
}

// isInteger reports whether a JSON number is an integer without an exponent. -0 is
// excluded because it is another text for 0.
func isInteger(number string) bool {
	if len(number) > 1 && number[0] == '-' && number[1] != '0' {
		number = number[1:]
	}
	for i := range len(number) {
		if number[i] < '0' || number[i] > '9' {
			return false
		}
	}
	return number != ""
}

// valueLen returns the length of the JSON value at the beginning of text, which is not
// empty. It is at least 1.
func valueLen(text []byte) int {
	switch text[0] {
	case '"':
		return stringLen(text)
	case '[', '{':
		depth := 0
		for i := 0; i < len(text); i++ {
			switch text[i] {
			case '"':
				i += stringLen(text[i:]) - 1
			case '[', '{':
				depth++
			case ']', '}':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
		return len(text)
	}
	if n := bytes.IndexAny(text, blanks+",]}"); n > 0 {
		return n
	} else if n == 0 {
		return 1
	}
	return len(text)
}

// stringLen is valueLen for a string.
func stringLen(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}
