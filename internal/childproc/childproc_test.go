//go:build linux

package childproc_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/ignis-go/ignis/internal/childproc"
)

// Environment variables that select the role of this test binary in a test.
const (
	roleVariable   = "CHILDPROC_ROLE"
	parentVariable = "CHILDPROC_PARENT"

	roleParent   = "parent"
	roleChild    = "child"
	roleFollower = "follower"
)

// patience is how long a failing test waits.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role == roleChild || role == roleFollower {
		if role == roleFollower {
			parent, _ := strconv.Atoi(os.Getenv(parentVariable))
			childproc.Follow(parent)
		}
		answer()
	}
	goleak.VerifyTestMain(m)
}

// answer answers each line of standard input. It keeps running when standard input ends.
func answer() {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println("here")
	}
	time.Sleep(2 * patience)
}

// TestParent is run by other tests in a separate process, which they kill.
func TestParent(t *testing.T) {
	role := os.Getenv(roleVariable)
	if role == "" {
		return // it is only run by other tests
	}
	cmd := childproc.Command(os.Args[0])
	start := cmd.Start
	if role == roleFollower+roleParent {
		start = cmd.Cmd.Start // a follower is started without this package
		cmd.Env = append(os.Environ(), roleVariable+"="+roleFollower, fmt.Sprintf("%s=%d", parentVariable, os.Getpid()))
	} else {
		cmd.Env = append(os.Environ(), roleVariable+"="+roleChild)
	}
	held := os.NewFile(3, "held") // held open by the child until it ends
	cmd.ExtraFiles = []*os.File{held}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := onDyingThread(start); err != nil {
		t.Fatal(err)
	}
	_ = held.Close()
	if _, err := io.WriteString(in, "are you there\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("the child ended with the thread that started it: %v", err)
	}
	fmt.Println("ready")
	time.Sleep(2 * patience)
}

// onDyingThread calls f on a new thread, and returns when that thread has ended.
func onDyingThread(f func() error) error {
	var err error
	thread := make(chan int)
	var run func()
	run = func() {
		runtime.LockOSThread() // the thread ends with its goroutine
		if unix.Gettid() == os.Getpid() {
			defer runtime.UnlockOSThread()
			done := make(chan struct{})
			go func() { defer close(done); run() }()
			<-done
			return // the main thread never ends
		}
		err = f()
		thread <- unix.Gettid()
	}
	go run()
	task := fmt.Sprintf("/proc/self/task/%d", <-thread)
	for {
		if _, gone := os.Stat(task); gone != nil {
			return err
		}
		runtime.Gosched()
	}
}

func TestChildEndsWithItsParent(t *testing.T) {
	for _, role := range []string{roleParent, roleFollower + roleParent} {
		t.Run(role, func(t *testing.T) {
			child, held, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer child.Close()
			parent := exec.Command(os.Args[0], "-test.run=^TestParent$", "-test.v")
			parent.Env = append(os.Environ(), roleVariable+"="+role)
			parent.ExtraFiles = []*os.File{held}
			out, err := parent.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := parent.Start(); err != nil {
				t.Fatal(err)
			}
			_ = held.Close()
			lines := bufio.NewScanner(out)
			var said string
			for lines.Scan() && lines.Text() != "ready" {
				said += lines.Text() + "\n"
			}
			if lines.Text() != "ready" {
				t.Errorf("the parent ended early:\n%s", said)
			}
			_ = parent.Process.Kill()
			_ = parent.Wait()
			_ = child.SetReadDeadline(time.Now().Add(patience))
			if _, err := io.ReadAll(child); err != nil {
				t.Fatalf("the child is still running: %v", err)
			}
		})
	}
}

func TestOutput(t *testing.T) {
	out, err := childproc.CommandContext(t.Context(), "sh", "-c", "echo hello; echo there >&2").Output()
	if err != nil || string(out) != "hello\n" {
		t.Errorf("Output = %q, %v", out, err)
	}
	out, err = childproc.Command("sh", "-c", "echo hello; echo there >&2; exit 3").CombinedOutput()
	if code, ok := err.(*exec.ExitError); !ok || code.ExitCode() != 3 || string(out) != "hello\nthere\n" {
		t.Errorf("CombinedOutput = %q, %v", out, err)
	}
	if err := childproc.Command("sh", "-c", "exit 0").Run(); err != nil {
		t.Errorf("Run = %v", err)
	}
	for _, f := range []func(*childproc.Cmd) error{(*childproc.Cmd).Start, (*childproc.Cmd).Run} {
		if err := f(childproc.Command("/nonexistent")); err == nil {
			t.Error("a nonexistent program was started")
		}
	}
}
