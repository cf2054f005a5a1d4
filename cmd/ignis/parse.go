package main

import (
	"cmp"
	"context"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
)

// runner is a command.
type runner interface {
	Run(ctx context.Context, command *kong.Context, std *stdio) error
}

// parsed is a command, or a group of commands, that looks at the whole command line before it runs.
type parsed interface{ parsed(command *kong.Context) }

// newParser returns a parser of the commands in a struct, such as cli.
func newParser(commands any, std *stdio) (*kong.Kong, error) {
	return kong.New(commands,
		kong.Name("ignis"),
		kong.Description(description),
		kong.DefaultEnvars(variablePrefix),
		kong.Writers(std.out, std.err),
		kong.ConfigureHelp(kong.HelpOptions{NoExpandSubcommands: true, WrapUpperBound: 100}),
	)
}

// commandsFor returns a cli, or, if the arguments begin with the name of a command, a struct with only
// that command. A parser of all commands takes longer to make than most commands take to run.
func commandsFor(args []string) any {
	if len(args) == 0 {
		return &cli{}
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[cli]()) {
		if cmp.Or(f.Tag.Get("name"), strings.ToLower(f.Name)) == args[0] {
			return reflect.New(reflect.StructOf([]reflect.StructField{f})).Interface()
		}
	}
	return &cli{}
}

// parse parses the arguments. It returns nil if it has printed the help instead.
//
// These are the steps of [kong.Kong.Parse] without resolvers and hooks. Kong finds hooks, and in
// [kong.Context.Run] the methods of commands, by names that the linker does not know. With either, the
// linker would keep all exported methods of all types, which is a third of the program; see
// TestUnusedMethodsAreLeftOut. So does Validate of Kong 1.16 and later.
func parse(parser *kong.Kong, args []string) (*kong.Context, error) {
	command, err := kong.Trace(parser, args)
	if err == nil {
		err = command.Error
	}
	if err != nil {
		return nil, parseError(command, err)
	}
	for _, p := range command.Path {
		if p.Flag != nil && p.Flag == parser.Model.HelpFlag {
			return nil, command.PrintUsage(false)
		}
	}
	for _, step := range []func() error{
		func() error { return reset(parser, command) },
		func() error { _, err := command.Apply(); return err },
		command.Validate,
	} {
		if err := step(); err != nil {
			return nil, parseError(command, err)
		}
	}
	for node := command.Selected(); node != nil; node = node.Parent {
		if p, ok := pointer(node).(parsed); ok {
			p.parsed(command)
		}
	}
	return command, nil
}

// reset sets the flags and arguments of the chosen command to their environment variables or defaults, and
// those of the others, which are validated as well, to their defaults. [kong.Context.Reset] uses the
// variables for all of them, so what is right for one command could be an error of another.
func reset(parser *kong.Kong, command *kong.Context) error {
	chosen := make(map[*kong.Value]bool)
	node := command.Selected()
	if node == nil {
		node = parser.Model.Node
	}
	for ; node != nil; node = node.Parent {
		for _, f := range node.Flags {
			chosen[f.Value] = true
		}
		for _, v := range node.Positional {
			chosen[v] = true
		}
	}
	return kong.Visit(parser.Model.Node, func(v kong.Visitable, next kong.Next) error {
		value, ok := v.(*kong.Value)
		if !ok {
			return next(nil)
		}
		if !chosen[value] {
			value.Target.SetZero()
			if !value.HasDefault {
				return next(nil)
			}
			text := kong.ScanFromTokens(kong.Token{Type: kong.FlagValueToken, Value: value.Default})
			return next(value.Parse(text, value.Target))
		}
		return next(value.Reset())
	})
}

// selected returns a pointer to the command that the user has chosen.
func selected(command *kong.Context) any { return pointer(command.Selected()) }

// pointer returns a pointer to the struct of a command, or nil.
func pointer(node *kong.Node) any {
	if node == nil || !node.Target.CanAddr() {
		return nil
	}
	return node.Target.Addr().Interface()
}

// parseError turns an error of the parser into a usage error with a hint.
func parseError(command *kong.Context, err error) error {
	path := "ignis"
	if command != nil {
		if node := command.Selected(); node != nil {
			path = node.FullPath()
		} else if name := command.Command(); name != "" {
			path = "ignis " + name
		}
	}
	return &exitError{code: exitUsage, err: err, hint: path + " --help lists the arguments"}
}
