// Command ignis is the Ignis realtime server as one program, with a sender and
// a listener for the command line.
//
//	ignis serve --dev                                  a server to try things with
//	ignis listen ws://127.0.0.1:8080/ws --join lobby   print what arrives
//	ignis bench --url ws://127.0.0.1:8080/ws           measure a server
//	ignis emit room lobby notice '{"text":"hello"}'    send through Redis
//	ignis cron run jobs.yaml                           emit events on schedules
//	ignis cron next "30 2 * * *" --tz Europe/Paris     list when a schedule is due
//
// Run ignis COMMAND --help for the flags. Each has an environment variable.
//
// Exit codes: 0 done, or ended by a signal in good order; 1 failed; 2 not used
// as it can be, and nothing was done; and from listen 3, the server does not
// accept the credentials, and 4, it cannot be reached or the connection ended. A
// second signal ends the program at once, with 128 and the signal's number.
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
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/ignis-go/ignis/internal/printable"
)

// The exit codes. A script may branch on them, so they do not change.
const (
	exitFailed = 1
	exitUsage  = 2
	exitAuth   = 3
	exitLost   = 4
	exitSignal = 128 // and the number of the signal, as shells have it
)

const description = `Realtime messages between browsers, services and workers.

Every flag can be set in the environment by the variable beside it.
Exit codes: 0 done; 1 failed; 2 wrong usage, nothing was done; listen only: 3 credentials not accepted, 4 connection not made or ended.`

// cli is the command line.
type cli struct {
	Serve   serveCmd   `cmd:"" help:"Run a server."`
	Emit    emitCmd    `cmd:"" help:"Send an event to clients, wherever they are, through Redis."`
	Listen  listenCmd  `cmd:"" help:"Connect to a server and print the events that arrive."`
	Bench   benchCmd   `cmd:"" help:"Measure a server: deliveries a second, latency, connecting, what it takes."`
	Cron    cronCmd    `cmd:"" help:"Emit events on schedules, once each among any number of processes, and examine schedules."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

// stdio is what a command reads and writes.
type stdio struct {
	in       *os.File
	out, err io.Writer
}

// warn tells what should be done better, where there is no log.
func (s *stdio) warn(message string) { fmt.Fprintf(s.err, "warning: %s\n", message) }

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() { // lives as long as the process
		<-signals
		cancel()
		if s, ok := (<-signals).(syscall.Signal); ok {
			os.Exit(exitSignal + int(s)) // somebody will not wait
		}
	}()
	os.Exit(run(ctx, os.Args[1:], &stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}

// run runs one command and returns the exit code.
func run(ctx context.Context, args []string, std *stdio) (code int) {
	exited := -1
	parser, err := newParser(std, func(code int) { exited = code })
	if err != nil {
		return report(std.err, err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if exited >= 0 { // --help has been printed
		return exited
	}
	if err != nil {
		return report(std.err, parseError(err))
	}
	command.BindTo(ctx, (*context.Context)(nil))
	return report(std.err, command.Run(std))
}

func newParser(std *stdio, exit func(int)) (*kong.Kong, error) {
	return kong.New(&cli{},
		kong.Name("ignis"),
		kong.Description(description),
		kong.DefaultEnvars("IGNIS"),
		kong.Writers(std.out, std.err),
		kong.Exit(exit),
		kong.ConfigureHelp(kong.HelpOptions{NoExpandSubcommands: true, NoAppDescFormat: true, WrapUpperBound: 100}),
	)
}

// parseError turns what the parser says into a usage error with a hint.
func parseError(err error) error {
	command := "ignis"
	var p *kong.ParseError
	if errors.As(err, &p) && p.Context != nil {
		if node := p.Context.Selected(); node != nil {
			command = node.FullPath()
		} else if name := p.Context.Command(); name != "" {
			command = "ignis " + name
		}
	}
	return &exitError{code: exitUsage, err: err, hint: command + " --help shows what it takes"}
}

// exitError is an error with what the program makes of it.
type exitError struct {
	code int
	err  error
	hint string // what to do about it; may be empty
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// usage returns the error for a command line that cannot be carried out.
func usage(hint, format string, args ...any) error {
	return &exitError{code: exitUsage, err: fmt.Errorf(format, args...), hint: hint}
}

// report prints an error, on one line and another for the hint, and returns the
// exit code.
func report(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	e := &exitError{code: exitFailed, err: err}
	errors.As(err, &e)
	fmt.Fprintf(w, "error: %s\n", oneLine(err.Error()))
	if e.hint != "" {
		fmt.Fprintf(w, "hint: %s\n", oneLine(e.hint))
	}
	return e.code
}

// maxLine is how much of a text is printed on one line, in bytes.
const maxLine = 4 << 10

// oneLine returns a text, which may be a server's, as it may be printed on a terminal,
// without the credentials of URLs in it.
func oneLine(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	return printable.Text(urlCredentials.ReplaceAllString(s, "://...@"), maxLine)
}

// urlCredentials are what stands before the host, with whatever in them should have
// been percent-encoded. The forms in our own texts have a bracket there.
var urlCredentials = regexp.MustCompile(`://[^\s\[]\S*@`)
