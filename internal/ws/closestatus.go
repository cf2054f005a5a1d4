package ws

import (
	"encoding/binary"
	"unicode/utf8"
)

// closeStatus parses the payload of a close frame. It returns the code, closeNoStatus
// if there is none, and the reason.
func closeStatus(payload []byte) (uint16, string, error) {
	if len(payload) == 0 {
		return closeNoStatus, "", nil
	}
	if len(payload) == 1 {
		return 0, "", breach("close frame with a payload of one byte")
	}
	code, reason := binary.BigEndian.Uint16(payload), payload[2:]
	if !validCloseCode(code) {
		return 0, "", breach("invalid close code")
	}
	if !utf8.Valid(reason) {
		return 0, "", &violation{code: closeInvalidData, text: "close reason that is not UTF-8"}
	}
	return code, string(reason), nil
}

// validCloseCode reports whether a peer may send code. Valid are the codes of RFC 6455 and
// the IANA registry, except for reserved ones, and the ranges for libraries and
// applications.
func validCloseCode(code uint16) bool {
	switch {
	case code >= 3000 && code <= 4999:
		return true
	case code >= 1000 && code <= 1014:
		return code != 1004 && code != 1005 && code != 1006
	}
	return false
}
