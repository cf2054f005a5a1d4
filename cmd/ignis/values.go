package main

import (
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The types of flags with a special syntax. Errors state what is expected. The parser
// adds the name of the flag.

// byteSize is a positive number of bytes.
type byteSize int

var sizeUnits = []struct {
	suffix string
	bytes  uint64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"B", 1}, {"", 1}}

// UnmarshalText parses a number with or without a unit.
func (b *byteSize) UnmarshalText(text []byte) error {
	for _, unit := range sizeUnits {
		digits, ok := strings.CutSuffix(string(text), unit.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 32)
		if err != nil || n == 0 || n*unit.bytes > math.MaxInt32 {
			break
		}
		*b = byteSize(n * unit.bytes)
		return nil
	}
	return fmt.Errorf("expected a size such as 131072, 128KiB or 1MiB, at most 2GiB-1, but got %q", text)
}

// period is a positive duration.
type period time.Duration

// UnmarshalText parses a duration in Go's syntax.
func (p *period) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil || d <= 0 {
		return fmt.Errorf("expected a positive duration such as 500ms, 30s or 2m, but got %q", text)
	}
	*p = period(d)
	return nil
}

// periodOrOff is a period, or negative for "off".
type periodOrOff time.Duration

// UnmarshalText parses a duration or the word off.
func (p *periodOrOff) UnmarshalText(text []byte) error {
	if string(text) == "off" {
		*p = -1
		return nil
	}
	var d period
	if d.UnmarshalText(text) != nil {
		return fmt.Errorf("expected a positive duration such as 30s or 2m, or off, but got %q", text)
	}
	*p = periodOrOff(d)
	return nil
}

// count is a positive integer.
type count int

// UnmarshalText parses a decimal number.
func (c *count) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 31)
	if err != nil || n == 0 {
		return fmt.Errorf("expected a positive integer, but got %q", text)
	}
	*c = count(n)
	return nil
}

// countOrAuto is a positive integer, or 0 for "auto".
type countOrAuto int

// UnmarshalText parses a decimal number or the word auto.
func (c *countOrAuto) UnmarshalText(text []byte) error {
	if string(text) == "auto" {
		*c = 0
		return nil
	}
	var n count
	if n.UnmarshalText(text) != nil {
		return fmt.Errorf("expected a positive integer, or auto, but got %q", text)
	}
	*c = countOrAuto(n)
	return nil
}

// countOrOff is a positive integer, or negative for "off".
type countOrOff int

// UnmarshalText parses a decimal number or the word off.
func (c *countOrOff) UnmarshalText(text []byte) error {
	if string(text) == "off" {
		*c = -1
		return nil
	}
	var n count
	if n.UnmarshalText(text) != nil {
		return fmt.Errorf("expected a positive integer, or off, but got %q", text)
	}
	*c = countOrOff(n)
	return nil
}

// byteSizeOrOff is a number of bytes, or negative for "off".
type byteSizeOrOff int

// UnmarshalText parses a number with or without a unit, or the word off.
func (b *byteSizeOrOff) UnmarshalText(text []byte) error {
	if string(text) == "off" {
		*b = -1
		return nil
	}
	var n byteSize
	if err := n.UnmarshalText(text); err != nil {
		return fmt.Errorf("%w, or off", err)
	}
	*b = byteSizeOrOff(n)
	return nil
}

// memorySize is a number of bytes, 0 for "auto", or negative for "off".
type memorySize int64

// UnmarshalText parses a number with or without a unit, or one of the words auto and off.
func (m *memorySize) UnmarshalText(text []byte) error {
	switch string(text) {
	case "auto":
		*m = 0
		return nil
	case "off":
		*m = -1
		return nil
	}
	for _, unit := range sizeUnits {
		digits, ok := strings.CutSuffix(string(text), unit.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 32)
		if err != nil || n == 0 {
			break
		}
		*m = memorySize(n * unit.bytes)
		return nil
	}
	return fmt.Errorf("expected a size such as 512MiB or 4GiB, auto or off, but got %q", text)
}

// nameList is a comma-separated list of names. It is never nil after parsing. An empty
// text is an empty list.
type nameList []string

// UnmarshalText splits the text at commas.
func (l *nameList) UnmarshalText(text []byte) error {
	*l = nameList{}
	if len(text) == 0 {
		return nil
	}
	for name := range strings.SplitSeq(string(text), ",") {
		if name = strings.TrimSpace(name); name == "" {
			return fmt.Errorf("expected comma-separated names, but got %q", text)
		}
		*l = append(*l, name)
	}
	return nil
}

// idList is a comma-separated list of names. A flag that is repeated adds to the list. A
// comma in a name is preceded by a backslash. Empty names are rejected, because they
// usually come from an unset variable in a script.
type idList []string

// UnmarshalText adds the names.
func (l *idList) UnmarshalText(text []byte) error {
	name := ""
	rest := string(text)
	for more := true; more; {
		var part string
		part, rest, more = strings.Cut(rest, ",")
		if before, escaped := strings.CutSuffix(part, `\`); escaped && more {
			name += before + ","
			continue
		}
		if name += part; name == "" || !utf8.ValidString(name) {
			return fmt.Errorf("expected comma-separated, non-empty names in UTF-8, but got %q", text)
		}
		*l = append(*l, name)
		name = ""
	}
	return nil
}

// originList is a list of origins, or * for any.
type originList []string

// UnmarshalText parses comma-separated origins or *.
func (l *originList) UnmarshalText(text []byte) error {
	*l = nil
	if len(text) == 0 {
		return nil
	}
	if string(text) == "*" {
		*l = originList{"*"}
		return nil
	}
	for origin := range strings.SplitSeq(string(text), ",") {
		u, err := url.Parse(strings.TrimSpace(origin))
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil ||
			u.Path != "" || u.RawQuery != "" || u.Fragment != "" || strings.Contains(u.Host, "*") {
			return fmt.Errorf("expected * or comma-separated origins such as https://app.example.com, but got %q", text)
		}
		*l = append(*l, u.Scheme+"://"+strings.ToLower(u.Host))
	}
	return nil
}

// networkList is a list of networks such as 10.0.0.0/8 and addresses.
type networkList []netip.Prefix

// UnmarshalText parses comma-separated networks and addresses.
func (l *networkList) UnmarshalText(text []byte) error {
	*l = nil
	for item := range strings.SplitSeq(string(text), ",") {
		item = strings.TrimSpace(item)
		network, err := netip.ParsePrefix(item)
		if addr, addrErr := netip.ParseAddr(item); addrErr == nil {
			network, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			return fmt.Errorf("expected comma-separated networks such as 10.0.0.0/8 or addresses, but got %q", text)
		}
		*l = append(*l, network)
	}
	return nil
}
