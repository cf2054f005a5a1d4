//go:build !linux

package main

import "context"

// Run says that it cannot.
func (c *benchCmd) Run(ctx context.Context, _ *stdio) error {
	if _, _, err := c.check(ctx); err != nil {
		return err
	}
	return usage("run it on Linux, or in a container", "bench: it needs Linux, to be cheap enough not to measure itself")
}
