package main

import (
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/configfile"
)

// The types of flags with a special syntax. Errors state what is expected. The parser
// adds the name of the flag. The methods Syntax and String are for the configuration file:
// the first describes the values to package configfile, and the second formats them.

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

// Syntax implements [configfile.Scalar].
func (byteSize) Syntax() configfile.Syntax {
	return configfile.Syntax{Type: "integer string", Pattern: `^[0-9]+(B|KiB|MiB|GiB)?$`, Minimum: 1}
}

func (b byteSize) String() string {
	for _, unit := range []struct {
		suffix string
		bytes  byteSize
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if b >= unit.bytes && b%unit.bytes == 0 {
			return strconv.Itoa(int(b/unit.bytes)) + unit.suffix
		}
	}
	return strconv.Itoa(int(b))
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

// durationPattern matches positive durations in Go's syntax.
const durationPattern = `\+?([0-9]*\.?[0-9]*(ns|us|µs|μs|ms|s|m|h))+`

// Syntax implements [configfile.Scalar].
func (period) Syntax() configfile.Syntax {
	return configfile.Syntax{Type: "string", Pattern: "^" + durationPattern + "$"}
}

func (p period) String() string { return shortDuration(time.Duration(p)) }

// shortDuration returns a duration without units that are zero, such as 1m instead of
// 1m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	if short, ok := strings.CutSuffix(text, "m0s"); ok {
		text = short + "m"
	}
	if short, ok := strings.CutSuffix(text, "h0m"); ok {
		text = short + "h"
	}
	return text
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

// Syntax implements [configfile.Scalar].
func (periodOrOff) Syntax() configfile.Syntax {
	return configfile.Syntax{Type: "string", Pattern: "^(off|" + durationPattern + ")$"}
}

func (p periodOrOff) String() string {
	if p < 0 {
		return "off"
	}
	return shortDuration(time.Duration(p))
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

// Syntax implements [configfile.Scalar].
func (count) Syntax() configfile.Syntax { return configfile.Syntax{Type: "integer", Minimum: 1} }

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

// Syntax implements [configfile.Scalar].
func (countOrAuto) Syntax() configfile.Syntax {
	return configfile.Syntax{Type: "integer string", Pattern: "^(auto|[0-9]+)$", Minimum: 1}
}

func (c countOrAuto) String() string {
	if c == 0 {
		return "auto"
	}
	return strconv.Itoa(int(c))
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

// Syntax implements [configfile.Scalar].
func (nameList) Syntax() configfile.Syntax { return configfile.Syntax{Type: "string", List: true} }

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

// Syntax implements [configfile.Scalar].
func (originList) Syntax() configfile.Syntax {
	return configfile.Syntax{Type: "string", Pattern: `^\s*(\*|[hH][tT][tT][pP][sS]?://[^,/?#@*]+)\s*$`, List: true}
}

// slowPolicy is a policy for slow clients.
type slowPolicy struct{ ignis.SlowPolicy }

// Syntax implements [configfile.Scalar].
func (slowPolicy) Syntax() configfile.Syntax {
	var names []string
	for p := ignis.SlowDisconnect; !strings.HasPrefix(p.String(), "SlowPolicy("); p++ {
		names = append(names, p.String())
	}
	return configfile.Syntax{Type: "string", Enum: names}
}
