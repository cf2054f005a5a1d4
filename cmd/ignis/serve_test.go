package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/wire"
)

func TestSignalShutsDownGracefully(t *testing.T) {
	t.Parallel()
	for _, s := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(s.String(), func(t *testing.T) {
			p, address := serve(t, nil, "--dev")
			c := dial(t, address, nil)
			p.signal(s)
			_, err := c.Receive(withTimeout(t))
			var closed *client.CloseError
			for err == nil { // with SIGTERM, it is warned
				_, err = c.Receive(withTimeout(t))
			}
			if !errors.As(err, &closed) || closed.Code != wire.CloseGoingAway {
				t.Errorf("the client got %v", err)
			}
			if s == syscall.SIGTERM {
				if code := p.wait(); code != 0 {
					t.Errorf("ended with exit code %d", code)
				}
				return
			}
			if conn, err := net.Dial("tcp", address); err == nil {
				_ = conn.Close()
				t.Error("the server still accepts connections while it closes clients")
			}
			if code := p.wait(); code != 0 {
				t.Errorf("ended with exit code %d", code)
			}
		})
	}
}

// With --plain-io, the only epoll instance of the process is that of the runtime.
func TestPlainIO(t *testing.T) {
	t.Parallel()
	for plain, want := range map[bool]int{false: 2, true: 1} {
		args := []string{"--dev"}
		if plain {
			args = append(args, "--plain-io")
		}
		p, address := serve(t, nil, args...)
		dial(t, address, nil)
		files := fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid)
		list, err := os.ReadDir(files)
		if err != nil {
			t.Skip("no /proc: ", err)
		}
		sets := 0
		for _, f := range list {
			if to, _ := os.Readlink(files + "/" + f.Name()); strings.Contains(to, "[eventpoll]") {
				sets++
			}
		}
		if plain && sets != want || !plain && sets < want {
			t.Errorf("%v: %d epoll sets", args, sets)
		}
	}
}

// A client that does not answer the close frame delays the shutdown. A second signal ends
// the process immediately.
func TestSecondSignalEndsImmediately(t *testing.T) {
	t.Parallel()
	p, address := serve(t, nil, "--dev")
	conn, _, _, err := ws.Dial(withTimeout(t), "ws://"+address+"/ws")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	frame := ws.MaskFrame(ws.NewTextFrame([]byte(`{"event":"hello"}`)))
	if err := ws.WriteFrame(conn, frame); err != nil {
		t.Fatal(err)
	}
	h, err := ws.ReadHeader(conn) // header of the error event, which shows that the client is served
	if err != nil || h.OpCode != ws.OpText || h.Length > 1024 {
		t.Fatalf("got %+v, %v", h, err)
	}
	if _, err := io.CopyN(io.Discard, conn, h.Length); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGTERM)
	if h, err := ws.ReadHeader(conn); err != nil || h.OpCode != ws.OpClose {
		t.Fatalf("got %+v, %v", h, err)
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != exitSignal+int(syscall.SIGTERM) {
		t.Errorf("ended with exit code %d", code)
	}
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	_, address := serve(t, nil, "--dev", "--path", "/socket")
	for path, want := range map[string]int{
		"/healthz": 200, "/readyz": 200, "/socket": 426, "/": 200, "/ws": 404, "/healthz/": 404, "/dev/": 404, "/ignis.js": 200, "/ignis.js/": 404,
		"/dev/app.js": 200, "/dev/index.html": 404, "/dev/../serve.go": 404, "/dev/%2e%2e/serve.go": 404,
	} {
		if code, _, _ := get(t, "http://"+address+path); code != want {
			t.Errorf("%s answers %d, want %d", path, code, want)
		}
	}
}

func TestListenReportsWhyItEnded(t *testing.T) {
	t.Parallel()
	secret := "IGNIS_JWT_SECRET=" + strings.Repeat("s", 32)
	server, address := serve(t, []string{secret})
	good := sign(t, strings.Repeat("s", 32), map[string]any{"sub": "ann", "exp": inAnHour()})
	for name, test := range map[string]struct {
		args []string
		code int
		hint string
	}{
		"no token":    {[]string{"ws://" + address + "/ws"}, exitAuth, "token"},
		"wrong token": {[]string{"ws://" + address + "/ws", "--token", good + "x"}, exitAuth, "token"},
		"wrong path":  {[]string{"ws://" + address + "/", "--token", good}, exitFailed, "path"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, nil, append([]string{"listen"}, test.args...)...)
			if code := p.wait(); code != test.code {
				t.Errorf("ended with exit code %d, want %d", code, test.code)
			}
			if !strings.Contains(p.logged("hint: "), test.hint) {
				t.Errorf("the hint has no %q", test.hint)
			}
			if strings.Contains(p.errors.text(), good) {
				t.Error("the token is in the error")
			}
		})
	}
	interrupted := start(t, []string{"IGNIS_TOKEN=" + good}, "listen", "ws://"+address+"/ws", "--all")
	lost := start(t, nil, "listen", "ws://"+address+"/ws", "--token", good, "--all")
	interrupted.line() // connected
	lost.line()
	interrupted.signal(os.Interrupt)
	if code := interrupted.wait(); code != 0 {
		t.Errorf("interrupted: ended with exit code %d", code)
	}
	server.signal(syscall.SIGTERM)
	if code := lost.wait(); code != exitLost {
		t.Errorf("server gone: ended with exit code %d", code)
	}
	if strings.Contains(server.errors.text(), good) {
		t.Error("the token is in the server's log")
	}
}

func TestListenEndsWhenOutputIsClosed(t *testing.T) {
	t.Parallel()
	_, address := serve(t, nil, "--dev")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	_ = r.Close()
	std := &stdio{out: w, err: os.Stderr}
	if code := run(withTimeout(t), []string{"listen", "ws://" + address + "/ws", "--all"}, std); code != 0 {
		t.Errorf("ended with exit code %d", code)
	}
}
