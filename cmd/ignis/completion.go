package main

import (
	"context"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/ignis-go/ignis/internal/completion"
	"github.com/ignis-go/ignis/internal/configfile"
)

// completionCmd prints a script for a shell.
type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"Shell: bash, zsh or fish."`
}

// Help returns what --help shows below the summary.
func (completionCmd) Help() string {
	return `The script completes commands, flags, their values and the names of files. It asks the program that is being typed, so it need not be printed again after an update.

Examples, for the current shell:

  source <(ignis completion bash)

  source <(ignis completion zsh)

  ignis completion fish | source

To keep it, write it to a file that the shell reads: ~/.local/share/bash-completion/completions/ignis for bash with the package bash-completion, _ignis in a folder of fpath for zsh, or ~/.config/fish/completions/ignis.fish for fish.`
}

// Run prints the script.
func (c *completionCmd) Run(_ context.Context, _ *kong.Context, std *stdio) error {
	text, err := completion.Script(c.Shell)
	if err != nil {
		return usage("", "%w", err)
	}
	_, err = io.WriteString(std.out, text)
	return err
}

// completeCmd answers the questions of these scripts.
type completeCmd struct {
	Shell string   `arg:""`
	Args  []string `arg:"" optional:"" passthrough:""`
}

// Run prints the answer.
func (c *completeCmd) Run(_ context.Context, _ *kong.Context, std *stdio) error {
	parser, err := newParser(&cli{}, std)
	if err != nil {
		return err
	}
	args := c.Args
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	completer := &completion.Completer{App: parser.Model, Choices: choices}
	_, err = io.WriteString(std.out, completer.Reply(c.Shell, args))
	return err
}

// choices returns all texts that a flag or argument accepts, or nil if it accepts others.
func choices(v *kong.Value) (list []string) {
	if v.Enum != "" {
		for _, s := range v.EnumSlice() {
			if s != "" { // not set
				list = append(list, s)
			}
		}
		return list
	}
	if s, ok := v.Target.Addr().Interface().(configfile.Scalar); ok && !strings.Contains(s.Syntax().Type, "integer") {
		return s.Syntax().Enum
	}
	return nil
}
