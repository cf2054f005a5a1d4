// Command ignis is the Ignis realtime server as one program, together with commands to
// send events, receive them, measure a server and emit events on schedules.
//
//	ignis serve --dev                                  run a server for trying things out
//	ignis config check --config ignis.yaml             check the settings of a server
//	ignis api-key billing                              make a key of the HTTP API
//	ignis doctor --config ignis.yaml                   examine Redis, limits, certificates, proxies
//	ignis health http://127.0.0.1:8080/readyz          find out whether a server is ready
//	ignis access check --config ignis.yaml --room r    find out what access rules allow
//	ignis listen ws://127.0.0.1:8080/ws --join lobby   print what arrives
//	ignis bench --url ws://127.0.0.1:8080/ws           measure a server
//	ignis emit room lobby notice '{"text":"hello"}'    send through Redis
//	ignis cron run jobs.yaml                           emit events on schedules
//	ignis sdktest -- node driver.mjs                   test a client library
//	ignis docs                                         show the documentation in a browser
//	ignis cron next "30 2 * * *" --tz Europe/Paris     list when a schedule is due
//	ignis completion bash                              print a script that completes commands in a shell
//	ignis man --out man1                               write the manual pages
//
// Run ignis COMMAND --help for the flags. Every flag can be set by an environment
// variable.
//
// Exit codes: 0 success, or ended by a signal; 1 failure; 2 usage error, nothing was
// done; for listen also 3, the server rejected the credentials, and 4, the server cannot
// be reached or the connection ended. A second signal ends the program immediately with
// 128 and the number of the signal.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/ignis-go/ignis/internal/configfile"
	"github.com/ignis-go/ignis/internal/printable"
)

// The exit codes. They are stable, because scripts depend on them.
const (
	exitFailed = 1
	exitUsage  = 2
	exitAuth   = 3
	exitLost   = 4
	exitSignal = 128 // plus the number of the signal, as in shells
)

const description = `Realtime messages between browsers, services and workers.

Every flag can also be set with the environment variable shown next to it.
Exit codes: 0 success; 1 failure; 2 usage error, nothing was done; listen only: 3 credentials rejected, 4 not connected or connection ended.`

// cli is the command line.
type cli struct {
	Serve   serveCmd   `cmd:"" help:"Run a server."`
	Emit    emitCmd    `cmd:"" help:"Send an event through Redis or the HTTP API to clients of all servers."`
	Listen  listenCmd  `cmd:"" help:"Connect to a server and print the events that arrive."`
	Bench   benchCmd   `cmd:"" help:"Measure a server: deliveries per second, latency, connection time, CPU and memory."`
	Cron    cronCmd    `cmd:"" help:"Emit events on schedules, each event once even if several processes run, and examine schedules."`
	Config  configCmd  `cmd:"" help:"Check, show and describe the settings of ignis serve."`
	APIKey  apiKeyCmd  `cmd:"" name:"api-key" help:"Make keys of the HTTP API."`
	Access  accessCmd  `cmd:"" help:"Find out what the access rules of a configuration file allow."`
	Doctor  doctorCmd  `cmd:"" help:"Find out what would go wrong: examine settings, Redis, limits of the system, certificates, keys, webhook and proxies."`
	Health  healthCmd  `cmd:"" help:"Ask a server whether it is ready, for the health check of a container."`
	SDKTest sdktestCmd `cmd:"" name:"sdktest" help:"Test a client library against the rules that clients follow."`
	Docs    docsCmd    `cmd:"" help:"Show the documentation in a browser, without a network, or write it to a folder."`
	Version versionCmd `cmd:"" help:"Print the version. ignis --version is the same."`

	Completion completionCmd `cmd:"" help:"Print a script with which a shell completes command lines of this program."`
	Man        manCmd        `cmd:"" help:"Write the manual pages of this program."`
	Complete   completeCmd   `cmd:"" name:"__complete" hidden:"" help:"Answer the scripts that ignis completion prints."`
}

// stdio is the input and output of a command.
type stdio struct {
	in       *os.File
	out, err io.Writer

	// hangups receives SIGHUP, unless the program was started with SIGHUP ignored, as by
	// nohup. It is for commands that are a hangupHandler. Nil in tests.
	hangups <-chan os.Signal
	// terminations takes over the first SIGTERM, which otherwise ends the command's context like
	// an interrupt. It returns a channel that is closed when the signal arrives. Nil in tests.
	terminations func() <-chan struct{}
	// endOnHangup makes SIGHUP end the command, like SIGTERM. Nil in tests.
	endOnHangup func()
}

// warn prints a warning. Commands that have a log use that instead.
func (s *stdio) warn(message string) { fmt.Fprintf(s.err, "warning: %s\n", message) }

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	hangups := make(chan os.Signal, 1)
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		signal.Notify(hangups, syscall.SIGHUP)
	}
	terminated := make(chan struct{})
	var gradual atomic.Bool // the command handles SIGTERM itself
	go func() {             // lives as long as the process
		if s := <-signals; s == syscall.SIGTERM && gradual.Load() {
			close(terminated)
		} else {
			cancel()
		}
		if s, ok := (<-signals).(syscall.Signal); ok {
			os.Exit(exitSignal + int(s)) // the user does not want to wait any longer
		}
	}()
	std := &stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr, hangups: hangups}
	std.terminations = func() <-chan struct{} {
		gradual.Store(true)
		return terminated
	}
	std.endOnHangup = func() {
		go func() { // lives as long as the process
			for s := range hangups {
				signals <- s
			}
		}()
	}
	os.Exit(run(ctx, os.Args[1:], std))
}

// hangupHandler is a command that handles SIGHUP itself. It ends the others.
type hangupHandler interface{ handlesHangup() }

// run runs the command in args and returns the exit code.
func run(ctx context.Context, args []string, std *stdio) (code int) {
	switch {
	case len(args) == 0:
		args = []string{"--help"}
	case len(args) == 1 && args[0] == "--version": // no flag of all commands, whose variable would be IGNIS_VERSION
		args = []string{"version"}
	}
	parser, err := newParser(commandsFor(args), std)
	if err != nil {
		return report(std.err, err)
	}
	command, err := parse(parser, args)
	if err != nil {
		return report(std.err, err)
	}
	if command == nil { // --help has been printed
		return 0
	}
	if err := checkVariables(parser, std); err != nil {
		return report(std.err, err)
	}
	chosen := selected(command)
	if _, ok := chosen.(hangupHandler); !ok && std.endOnHangup != nil {
		std.endOnHangup()
	}
	return report(std.err, chosen.(runner).Run(ctx, command, std))
}

// exitError is an error with an exit code and a hint.
type exitError struct {
	code int
	err  error
	hint string // what to do; may be empty
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// usage returns an error for an invalid command line.
func usage(hint, format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...), hint: hint}
}

// report prints an error and its hint, each on one line, and returns the exit code. Each
// problem of a configuration file has a line.
func report(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	e := &exitError{code: exitFailed, err: err}
	errors.As(err, &e)
	lines := []string{err.Error()}
	var problems configfile.Problems
	if errors.As(err, &problems) {
		lines = nil
		for _, p := range problems {
			lines = append(lines, p.Error())
		}
	}
	for _, line := range lines {
		fmt.Fprintf(w, "error: %s\n", oneLine(line))
	}
	if e.hint != "" {
		fmt.Fprintf(w, "hint: %s\n", oneLine(e.hint))
	}
	return e.code
}

// maxLine is the maximum length in bytes of a printed text.
const maxLine = 4 << 10

// oneLine makes a text, which may come from a server, safe to print on a terminal as one
// line. It removes the credentials from URLs.
func oneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	return printable.Text(urlCredentials.ReplaceAllString(s, "://...@"), maxLine)
}

// urlCredentials matches the credentials in a URL, even with characters that should have
// been percent-encoded. It does not match the URL forms in our own texts, which have a
// bracket in this place.
var urlCredentials = regexp.MustCompile(`://[^\s\[]\S*@`)
