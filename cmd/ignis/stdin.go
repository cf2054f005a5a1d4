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

// startNotice is after how long a command tells what it waits for.
const startNotice = 2 * time.Second

// maxInput bounds what is read from standard input, in bytes.
const maxInput = 16 << 20

// readInput reads standard input to its end, unless it is a terminal and nobody said
// so: a person would wonder what the program waits for. All of it has to come within
// the timeout, but a person takes as long as it takes to type.
func readInput(ctx context.Context, std *stdio, asked bool, timeout time.Duration) ([]byte, error) {
	info, err := std.in.Stat()
	device := err == nil && info.Mode()&os.ModeCharDevice != 0
	if err != nil || device && !asked {
		return nil, nil // closed, a terminal or the null device
	}
	if !device {
		late := fmt.Errorf("it did not end within %v", timeout)
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, late)
		defer cancel()
	}
	text, err := readAll(ctx, std)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return nil, &exitError{
			exitFailed, fmt.Errorf("standard input: waited for the event's data, and %w", context.Cause(ctx)),
			"whoever writes to it has to close it; --timeout waits longer, and < /dev/null is for an event without data",
		}
	case err != nil:
		return nil, fmt.Errorf("standard input: %w", err)
	case len(text) > maxInput:
		return nil, usage("", "standard input: expected at most %d bytes", maxInput)
	}
	return bytes.TrimSpace(text), nil
}

// readAll reads standard input until its end or that of ctx, and says so when that
// takes long. Nothing ends a read of a pipe: the goroutine then ends with the process,
// which has nothing more to do.
func readAll(ctx context.Context, std *stdio) ([]byte, error) {
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
			fmt.Fprintln(std.err, "note: waiting for the event's data on standard input, up to its end")
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
