package wire

// TraceparentSize is the length of a traceparent in bytes.
const TraceparentSize = 55

// ValidTraceparent reports whether s identifies a span of a distributed trace in the format of
// the W3C recommendation Trace Context: version, trace ID, span ID and flags, in hexadecimal,
// such as 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01. Additional fields, which
// later versions may have, are not allowed.
func ValidTraceparent(s string) bool {
	if len(s) != TraceparentSize || s[2] != '-' || s[35] != '-' || s[52] != '-' || s[:2] == "ff" {
		return false
	}
	return isLowerHex(s[:2]) && isID(s[3:35]) && isID(s[36:52]) && isLowerHex(s[53:])
}

// isID reports whether s is hexadecimal and not zero.
func isID(s string) bool {
	for i := range len(s) {
		if s[i] != '0' {
			return isLowerHex(s)
		}
	}
	return false
}

// isLowerHex reports whether s contains only digits and the letters a to f.
func isLowerHex(s string) bool {
	for i := range len(s) {
		if (s[i] < '0' || s[i] > '9') && (s[i] < 'a' || s[i] > 'f') {
			return false
		}
	}
	return true
}
