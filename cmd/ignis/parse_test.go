package main

import (
	"bytes"
	"io"
	"testing"

	"github.com/alecthomas/kong"
)

// A command line is parsed by its own command alone, whose help is the same as in a parser of all commands.
func TestParserOfOneCommand(t *testing.T) {
	t.Parallel()
	// help returns a function that returns the help for arguments.
	help := func(commands any) func(args []string) string {
		var out bytes.Buffer
		parser, err := newParser(commands, &stdio{out: &out, err: io.Discard})
		if err != nil {
			t.Fatal(err)
		}
		return func(args []string) string {
			t.Helper()
			out.Reset()
			if command, err := parse(parser, append(args, "--help")); command != nil || err != nil || out.Len() == 0 {
				t.Fatalf("%q: %v, %v", args, command, err)
			}
			return out.String()
		}
	}
	all := help(&cli{})
	var check func(node *kong.Node, args []string, one func([]string) string)
	check = func(node *kong.Node, args []string, one func([]string) string) {
		if got, want := one(args), all(args); got != want {
			t.Errorf("help of %q:\n%s\nwith all commands:\n%s", args, got, want)
		}
		for _, child := range node.Children {
			check(child, append(args[:len(args):len(args)], child.Name), one)
		}
	}
	for _, node := range model(t).Children {
		parser, err := newParser(commandsFor([]string{node.Name}), &stdio{out: io.Discard, err: io.Discard})
		if err != nil {
			t.Fatal(err)
		}
		if got := parser.Model.Children; len(got) != 1 || got[0].Name != node.Name {
			t.Errorf("the parser for %s has %d commands", node.Name, len(got))
		}
		check(node, []string{node.Name}, help(commandsFor([]string{node.Name})))
	}
	for _, args := range [][]string{nil, {"--help"}, {"srve"}, {""}, {"Serve"}, {"apikey"}} {
		if _, all := commandsFor(args).(*cli); !all {
			t.Errorf("the parser for %q has only one command", args)
		}
	}
}
