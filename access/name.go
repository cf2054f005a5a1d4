package access

import (
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxName is the maximum length of a room's name in UTF-16 code units, as in the protocol.
const MaxName = 256

// reservedPrefix is the beginning of names that the protocol reserves.
const reservedPrefix = "ws:"

// defaultPrefix is the beginning of the names of the rooms that every client is in. A rule
// for them has to name it, so that a rule for all rooms does not let clients send to
// everyone.
const defaultPrefix = "ws-"

// globs are characters with a meaning in patterns of this package or of Redis.
const globs = `*?[]{}\`

// checkName returns the reason why clients cannot use a room with this name, or "".
func checkName(name string) Reason {
	switch {
	case name == "":
		return NameEmpty
	case len(name) > 3*MaxName || len(name) > MaxName && utf16Len(name) > MaxName:
		return NameTooLong
	case strings.HasPrefix(name, reservedPrefix):
		return NameReserved
	case name[0] == ' ' || name[len(name)-1] == ' ':
		return NameSpace
	case isUUID(name):
		return NameClientID
	}
	return checkText(name)
}

// checkText returns the reason why a name cannot contain this text, or "".
func checkText(text string) Reason {
	ascii := true
	for i := range len(text) {
		switch b := text[i]; {
		case b >= utf8.RuneSelf:
			ascii = false
		case b < ' ' || b == 0x7f:
			return NameControl
		case strings.IndexByte(globs, b) >= 0:
			return NameGlob
		}
	}
	if ascii {
		return ""
	}
	if !utf8.ValidString(text) {
		return NameUTF8
	}
	for _, r := range text {
		switch {
		case r == utf8.RuneError: // with which decoders replace invalid bytes
			return NameUTF8
		case r >= utf8.RuneSelf && !visible(r):
			return NameControl
		}
	}
	if !isNFC(text) {
		return NameNotNFC
	}
	return ""
}

// isNFC reports whether a text is in Unicode normalization form C. It allocates memory only
// for the few texts that cannot be decided quickly, such as those with combining marks.
func isNFC(text string) bool {
	return norm.NFC.QuickSpanString(text) == len(text) || norm.NFC.IsNormalString(text)
}

// visible reports whether a character beyond ASCII is displayed as something. It returns
// false for control and formatting characters, spaces, variation selectors and characters
// that Go's Unicode tables do not have.
func visible(r rune) bool {
	return unicode.IsPrint(r) && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

func utf16Len(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// isUUID reports whether a name has the form of a UUID, like the IDs of clients.
func isUUID(name string) bool {
	if len(name) != 36 {
		return false
	}
	for i := range len(name) {
		switch b := name[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if b != '-' {
				return false
			}
		case !(b >= '0' && b <= '9' || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F'):
			return false
		}
	}
	return true
}
