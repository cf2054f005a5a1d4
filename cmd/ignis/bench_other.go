//go:build !linux

package main

import (
	"context"

	"github.com/alecthomas/kong"
)

// Run returns an error.
func (c *benchCmd) Run(ctx context.Context, _ *kong.Context, _ *stdio) error {
	if _, _, err := c.check(ctx); err != nil {
		return err
	}
	return usage("run it on Linux, for example in a container", "ignis bench requires Linux")
}
