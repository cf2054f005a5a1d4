package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// startNotice is the time after which a command reports what it is waiting for.
const startNotice = 2 * time.Second

// maxInput is the maximum number of bytes that are read from standard input.
const maxInput = 16 << 20

// readInput reads standard input until EOF and removes surrounding space. It reads from a
// terminal only if asked is set, because users would not know what the program is waiting
// for. The timeout does not apply to a terminal.
func readInput(ctx context.Context, std *stdio, asked bool, timeout time.Duration) ([]byte, error) {
	info, err := std.in.Stat()
	device := err == nil && info.Mode()&os.ModeCharDevice != 0
	if err != nil || device && !asked {
		return nil, nil // closed, a terminal or the null device
	}
	if !device {
		late := fmt.Errorf("it was not closed within %v", timeout)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, late)
		defer cancel()
	}
	text, err := readAll(ctx, std, "the event's data")
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return nil, &exitError{
			exitFailed, fmt.Errorf("standard input: waited for the event's data, but %w", context.Cause(ctx)),
			"the program that writes to it must close it; set --timeout to wait longer, or use < /dev/null for an event without data",
		}
	case err != nil:
		return nil, fmt.Errorf("standard input: %w", err)
	case len(text) > maxInput:
		return nil, usage("", "standard input: expected at most %d bytes", maxInput)
	}
	return bytes.TrimSpace(text), nil
}

// readAll reads standard input, which should contain what, until EOF or until ctx is done. It
// prints a note after startNotice. A read from a pipe cannot be interrupted, so the goroutine may live until
// the process exits.
func readAll(ctx context.Context, std *stdio, what string) ([]byte, error) {
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := io.ReadAll(io.LimitReader(std.in, maxInput+1))
		done <- result{text, err}
	}()
	late := time.NewTimer(startNotice)
	defer late.Stop()
	for {
		select {
		case r := <-done:
			return r.text, r.err
		case <-late.C:
			fmt.Fprintf(std.err, "note: waiting for %s on standard input\n", what)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
