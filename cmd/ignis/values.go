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

// The types of flags whose values have a form of their own. An error says what
// is accepted; the parser puts the flag's name in front of it.

// byteSize is a number of bytes, 1 or more.
type byteSize int

var sizeUnits = []struct {
	suffix string
	bytes  uint64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"B", 1}, {"", 1}}

// UnmarshalText reads a number with or without a unit.
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

// period is a span of time above zero.
type period time.Duration

// UnmarshalText reads a duration in Go's notation.
func (p *period) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil || d <= 0 {
		return fmt.Errorf("expected a duration above zero such as 500ms, 30s or 2m, but got %q", text)
	}
	*p = period(d)
	return nil
}

// periodOrOff is a period, or negative for "off".
type periodOrOff time.Duration

// UnmarshalText reads a duration or the word off.
func (p *periodOrOff) UnmarshalText(text []byte) error {
	if string(text) == "off" {
		*p = -1
		return nil
	}
	var d period
	if d.UnmarshalText(text) != nil {
		return fmt.Errorf("expected a duration above zero such as 30s or 2m, or off, but got %q", text)
	}
	*p = periodOrOff(d)
	return nil
}

// count is a whole number, 1 or more.
type count int

// UnmarshalText reads a decimal number.
func (c *count) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 31)
	if err != nil || n == 0 {
		return fmt.Errorf("expected a whole number of 1 or more, but got %q", text)
	}
	*c = count(n)
	return nil
}

// countOrAuto is a whole number, 1 or more, or 0 for "auto".
type countOrAuto int

// UnmarshalText reads a decimal number or the word auto.
func (c *countOrAuto) UnmarshalText(text []byte) error {
	if string(text) == "auto" {
		*c = 0
		return nil
	}
	var n count
	if n.UnmarshalText(text) != nil {
		return fmt.Errorf("expected a whole number of 1 or more, or auto, but got %q", text)
	}
	*c = countOrAuto(n)
	return nil
}

// nameList is a list of names with commas between them. It is never nil once
// read, and an empty text is an empty list.
type nameList []string

// UnmarshalText splits at the commas.
func (l *nameList) UnmarshalText(text []byte) error {
	*l = nameList{}
	if len(text) == 0 {
		return nil
	}
	for name := range strings.SplitSeq(string(text), ",") {
		if name = strings.TrimSpace(name); name == "" {
			return fmt.Errorf("expected names with commas between them, but got %q", text)
		}
		*l = append(*l, name)
	}
	return nil
}

// idList is a list of names that a flag adds to each time it is given. A comma
// within a name has a backslash before it. An empty name is refused: it is the
// variable of a script that has no value.
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
			return fmt.Errorf("expected names in UTF-8 with commas between them, none of them empty, but got %q", text)
		}
		*l = append(*l, name)
		name = ""
	}
	return nil
}

// originList is the pages of other hosts that may connect; * is any.
type originList []string

// UnmarshalText reads origins with commas between them, or a *.
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
			return fmt.Errorf("expected * or origins such as https://app.example.com with commas between them, but got %q", text)
		}
		*l = append(*l, u.Scheme+"://"+strings.ToLower(u.Host))
	}
	return nil
}

// networkList is networks such as 10.0.0.0/8, and single addresses.
type networkList []netip.Prefix

// UnmarshalText reads networks with commas between them.
func (l *networkList) UnmarshalText(text []byte) error {
	*l = nil
	for item := range strings.SplitSeq(string(text), ",") {
		item = strings.TrimSpace(item)
		network, err := netip.ParsePrefix(item)
		if addr, addrErr := netip.ParseAddr(item); addrErr == nil {
			network, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			return fmt.Errorf("expected networks such as 10.0.0.0/8 or addresses with commas between them, but got %q", text)
		}
		*l = append(*l, network)
	}
	return nil
}
