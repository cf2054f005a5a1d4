package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/ignis-go/ignis/internal/childproc"
)

// TestMain makes this test binary act as ignis for scripts and for tests that start
// processes.
func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){"ignis": func() {
		if parent, err := strconv.Atoi(os.Getenv(scriptVariable)); err == nil {
			childproc.Follow(parent)
		}
		main()
	}})
}

// scriptVariable contains the ID of the process that runs a script, for the programs in
// it.
const scriptVariable = "SCRIPT_PROCESS"

// leakChecked makes a test run fail if it leaves goroutines behind.
type leakChecked struct{ m *testing.M }

func (l leakChecked) Run() int {
	if signal.Ignored(syscall.SIGHUP) { // by nohup; processes that the tests start must not inherit it
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	code := l.m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
		},
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, fastExit, fmt.Sprintf("%s=%d", scriptVariable, os.Getpid()))
			return nil
		},
		RequireExplicitExec: true,
	})
}

// exits implements the script command exits, such as exits 2 ignis serve. It runs a program
// and checks its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code program [args...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("%s ended with exit code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

func TestEveryFlagHasAVariable(t *testing.T) {
	t.Parallel()
	seen := 0
	err := kong.Visit(model(t).Node, func(v kong.Visitable, next kong.Next) error {
		if f, ok := v.(*kong.Flag); ok && f.Name != "help" {
			seen++
			want := "IGNIS_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
			if len(f.Envs) != 1 || f.Envs[0] != want {
				t.Errorf("--%s has the variables %v, want %s", f.Name, f.Envs, want)
			}
			if f.Help == "" {
				t.Errorf("--%s has no help", f.Name)
			}
		}
		return next(nil)
	})
	if err != nil || seen < 20 {
		t.Fatalf("visited %d flags: %v", seen, err)
	}
}

// A server checks its arguments before it does anything.
func Example() {
	code := run(context.Background(), []string{"serve"}, &stdio{in: os.Stdin, out: os.Stdout, err: os.Stdout})
	fmt.Println("exit code", code)
	// Output:
	// error: no authenticator is configured
	// hint: set --jwt-secret-file, --jwt-public-key-file or --jwks-url, or webhook.authenticate in the configuration file; to try it on this machine, use --dev
	// exit code 2
}
