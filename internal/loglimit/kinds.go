package loglimit

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ignis-go/ignis/internal/printable"
)

// kind identifies lines that are limited together.
type kind struct{ message, name, cause, origin string }

// anyOrigin returns the kind without its origin.
func (k kind) anyOrigin() kind { return kind{k.message, k.name, k.cause, ""} }

// Kinds under which further lines are counted when there are too many kinds.
const (
	otherCauses  = "other causes"
	otherOrigins = "other origins"
	otherLines   = "log lines of other kinds"
)

// kindOf returns the kind of a line.
func kindOf(message string, args []any) kind {
	k := kind{message: message}
	for i := 0; i+1 < len(args); i += 2 {
		switch name, _ := args[i].(string); name {
		case "error", "cause", "reason", "panic":
			if k.name == "" {
				k.name, k.cause = name, causeOf(args[i+1])
			}
		case "origin":
			k.origin = fmt.Sprint(bounded(args[i+1]))
		}
	}
	return k
}

// causeOf returns the text by which lines with a value are told apart.
func causeOf(value any) string {
	var fixed interface {
		error
		LogCause() string
	}
	if err, ok := value.(error); ok && errors.As(err, &fixed) {
		value = fixed.LogCause()
	}
	return fmt.Sprint(bounded(value))
}

// sampleOf returns the attributes of a line that its kind does not have. Stacks, which are long, are
// left out.
func sampleOf(k kind, message string, args []any) (sample []slog.Attr) {
	if message != k.message {
		sample = append(sample, slog.String("message", message))
	}
	for i := 0; i+1 < len(args); i += 2 {
		name, _ := args[i].(string)
		value := bounded(args[i+1])
		if name == "stack" || name == k.name && value == any(k.cause) || name == "origin" && value == any(k.origin) {
			continue
		}
		sample = append(sample, slog.Any(name, value))
	}
	return sample
}

// bounded returns a value truncated and made printable.
func bounded(value any) any {
	switch v := value.(type) {
	case bool, int, int64, uint64, float64, uint16, time.Time, time.Duration:
		return v
	case string:
		return printable.Text(v, MaxText)
	}
	return printable.Text(fmt.Sprint(value), MaxText) // fmt recovers from methods that panic
}

// room returns the kind under which to count a line of the new kind k. That is k itself, or a
// collective kind if there are too many. The caller holds mu.
func (l *Limiter) room(k kind, now time.Time) (kind, string) {
	manyCauses := func() bool { return l.origins[k.anyOrigin()] == 0 && l.causes[k.message] >= maxCauses }
	manyOrigins := func() bool { return k.origin != "" && l.origins[k.anyOrigin()] >= maxOrigins }
	full := len(l.kinds) >= maxKinds || manyCauses() || manyOrigins()
	if full && now.Sub(l.pruned) >= Period/10 { // pruning for every line of a flood would be slow
		l.prune(now)
	}
	note := ""
	switch {
	case manyCauses():
		return kind{k.message, k.name, otherCauses, ""}, "too many causes; further ones are only counted"
	case manyOrigins():
		k.origin, note = otherOrigins, "too many origins; further ones are only counted"
	}
	if l.kinds[k] == nil && len(l.kinds) >= maxKinds {
		return kind{message: otherLines}, "too many kinds of lines; further ones are only counted"
	}
	return k, note
}

// add adds a kind. The caller holds mu.
func (l *Limiter) add(k kind, c *count) {
	l.kinds[k] = c
	if l.origins[k.anyOrigin()]++; l.origins[k.anyOrigin()] == 1 {
		l.causes[k.message]++
	}
}

// prune removes the kinds whose period has ended. The caller holds mu.
func (l *Limiter) prune(now time.Time) {
	l.pruned = now
	for k, c := range l.kinds {
		if c.more > 0 || now.Sub(c.began) < Period {
			continue
		}
		delete(l.kinds, k)
		base := k.anyOrigin()
		if l.origins[base]--; l.origins[base] > 0 {
			continue
		}
		delete(l.origins, base)
		if l.causes[k.message]--; l.causes[k.message] == 0 {
			delete(l.causes, k.message)
		}
	}
}
