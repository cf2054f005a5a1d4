package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

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
	return configfile.Syntax{Type: "integer string", Pattern: "^" + sizePattern + "$", Minimum: 1}
}

// sizePattern matches a number with or without a unit.
const sizePattern = "[0-9]+(B|KiB|MiB|GiB)?"

func (b byteSize) String() string { return shortSize(int64(b)) }

// shortSize returns a number of bytes with the largest unit that makes it an integer.
func shortSize(n int64) string {
	best, bytes := "", int64(1)
	for _, unit := range sizeUnits {
		if u := int64(unit.bytes); u > bytes && n >= u && n%u == 0 {
			best, bytes = unit.suffix, u
		}
	}
	return strconv.FormatInt(n/bytes, 10) + best
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

// periodOrAuto is a period, 0 for "auto", or negative for "off".
type periodOrAuto time.Duration

// UnmarshalText parses a duration, or one of the words auto and off.
func (p *periodOrAuto) UnmarshalText(text []byte) error {
	if string(text) == "auto" {
		*p = 0
		return nil
	}
	var d periodOrOff
	if d.UnmarshalText(text) != nil {
		return fmt.Errorf("expected a positive duration such as 30s or 2m, auto or off, but got %q", text)
	}
	*p = periodOrAuto(d)
	return nil
}

// Syntax implements [configfile.Scalar].
func (periodOrAuto) Syntax() configfile.Syntax {
	return configfile.Syntax{Type: "string", Pattern: "^(auto|off|" + durationPattern + ")$"}
}

func (p periodOrAuto) String() string {
	if p == 0 {
		return "auto"
	}
	return periodOrOff(p).String()
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

// Syntax implements [configfile.Scalar].
func (countOrOff) Syntax() configfile.Syntax {
	return configfile.Syntax{Type: "integer string", Pattern: "^(off|[0-9]+)$", Minimum: 1}
}

func (c countOrOff) String() string {
	if c < 0 {
		return "off"
	}
	return strconv.Itoa(int(c))
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

// Syntax implements [configfile.Scalar].
func (byteSizeOrOff) Syntax() configfile.Syntax {
	return configfile.Syntax{Type: "integer string", Pattern: "^(off|" + sizePattern + ")$", Minimum: 1}
}

func (b byteSizeOrOff) String() string {
	if b < 0 {
		return "off"
	}
	return shortSize(int64(b))
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

// Syntax implements [configfile.Scalar].
func (memorySize) Syntax() configfile.Syntax {
	return configfile.Syntax{Type: "integer string", Pattern: "^(auto|off|" + sizePattern + ")$", Minimum: 1}
}

func (m memorySize) String() string {
	switch {
	case m == 0:
		return "auto"
	case m < 0:
		return "off"
	}
	return shortSize(int64(m))
}
