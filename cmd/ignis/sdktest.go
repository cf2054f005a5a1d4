package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/ignis-go/ignis/internal/nearest"
	"github.com/ignis-go/ignis/internal/sdktest"
)

// sdktestCmd tests a client library.
type sdktestCmd struct {
	Case     []string `placeholder:"NAME" help:"Play only this case; NAME may contain * for any characters. May be repeated."`
	List     bool     `help:"List the cases with their rules, and play none."`
	JSON     bool     `name:"json" help:"Print a JSON object on each line: one for each case, and a summary."`
	Trace    bool     `help:"Print what happened in cases that failed, and the end of the driver's standard error."`
	Parallel count    `default:"8" placeholder:"N" help:"Number of cases that are played at a time, at most 64 (${default})."`
	Patience period   `default:"5s" placeholder:"TIME" help:"Time that a case waits for what must happen (${default}). Only failing cases take that long; more helps on a machine that is slow."`
	Attempts count    `default:"1" placeholder:"N" help:"Number of times that a case is played until it passes, at most 10 (${default}). A busy machine can make a case fail whose client is right."`
	Driver   []string `arg:"" optional:"" name:"command" passthrough:"" help:"Command of the driver and its arguments, after --."`
}

// Maximums of flags.
const (
	maxParallel = 64
	maxAttempts = 10
)

// Help returns the text that --help shows below the summary.
func (sdktestCmd) Help() string {
	return `The driver is a program that connects a client library, in any language, to its standard input and output. Each case starts it once, with the address of a scripted server on this machine in the environment variable IGNIS_URL. sdk/SPEC.md contains the rules that clients follow, and how to write a driver.

Each line is the result of a case: ok, FAILED (with the rule, what was expected and what came) or skipped (the driver says that the client lacks a feature). All cases together take a few seconds, and up to half a minute if the driver starts slowly.

Exit codes: 0 no case failed; 1 at least one failed, or the driver does not work; 2 usage error.

Examples:

  ignis sdktest -- node driver.mjs

  ignis sdktest --case 'close-*' --trace -- ./driver --verbose`
}

// Run plays the cases and prints the results.
func (c *sdktestCmd) Run(ctx context.Context, _ *kong.Context, std *stdio) error {
	cases, err := c.cases()
	if err != nil {
		return err
	}
	if c.List {
		return c.list(std, cases)
	}
	if len(c.Driver) > 0 && c.Driver[0] == "--" {
		c.Driver = c.Driver[1:]
	}
	if len(c.Driver) == 0 {
		return usage("ignis sdktest -- node driver.mjs", "no command of a driver")
	}
	if _, err := exec.LookPath(c.Driver[0]); err != nil {
		return usage("name a program in PATH, or its file as in ./driver", "the driver: %w", err)
	}
	if c.Parallel > maxParallel {
		return usage("", "--parallel: expected at most %d", maxParallel)
	}
	if c.Attempts > maxAttempts {
		return usage("", "--attempts: expected at most %d", maxAttempts)
	}
	printer := &sdktest.Printer{Out: std.out, JSON: c.JSON, Trace: c.Trace}
	runErr := sdktest.Run(ctx, sdktest.Config{
		Command: c.Driver, Cases: cases, Parallel: int(c.Parallel), Patience: time.Duration(c.Patience), Attempts: int(c.Attempts),
	}, printer.Result)
	if runErr != nil && !errors.Is(runErr, ctx.Err()) {
		return &exitError{code: exitFailed, err: runErr, hint: "sdk/SPEC.md describes what a driver prints"}
	}
	failed, err := printer.Summary()
	switch {
	case err != nil:
		return err
	case failed > 0:
		return fmt.Errorf("%d cases failed", failed)
	}
	return nil
}

// cases returns the cases that were selected.
func (c *sdktestCmd) cases() (selected []sdktest.Case, err error) {
	all := sdktest.Cases()
	if len(c.Case) == 0 {
		return all, nil
	}
	var names []string
	for _, one := range all {
		names = append(names, one.Name)
	}
	for _, name := range c.Case {
		found := false
		for _, one := range all {
			if !matches(name, one.Name) {
				continue
			}
			found = true
			if !slices.ContainsFunc(selected, func(s sdktest.Case) bool { return s.Name == one.Name }) {
				selected = append(selected, one)
			}
		}
		if !found {
			hint := "ignis sdktest --list lists the cases"
			if meant := nearest.Of(name, names); meant != "" {
				hint = "did you mean " + meant + "? " + hint
			}
			return nil, usage(hint, "--case: there is no case %q", name)
		}
	}
	return selected, nil
}

// matches reports whether a name matches a pattern, in which * stands for any characters.
func matches(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == name
	}
	first, last := parts[0], parts[len(parts)-1]
	if len(name) < len(first)+len(last) || !strings.HasPrefix(name, first) || !strings.HasSuffix(name, last) {
		return false
	}
	rest := name[len(first) : len(name)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		_, after, ok := strings.Cut(rest, part)
		if !ok {
			return false
		}
		rest = after
	}
	return true
}

func (c *sdktestCmd) list(std *stdio, cases []sdktest.Case) error {
	for _, one := range cases {
		if _, err := fmt.Fprintf(std.out, "%-26s %-9s %s\n", one.Name, strings.Join(one.Rules, " "), one.Text); err != nil {
			return err
		}
	}
	return nil
}
