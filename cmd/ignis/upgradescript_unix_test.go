//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/doctest"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
)

// The script in docs/deploys.md upgrades three servers behind a real nginx. No client is refused, and
// each is closed once or twice.
func TestNginxUpgradeScript(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	program(t, "nginx")
	fleet := newNginxFleet(t)
	fleet.startNginx()
	roamers := make([]*roamer, 24)
	for i := range roamers {
		roamers[i] = fleet.front.roam()
	}
	settled := func() bool {
		for _, r := range roamers {
			if !r.settled.Load() {
				return false
			}
		}
		return true
	}
	redistest.Wait(t, "all clients to connect", settled)
	fleet.upgrade()
	redistest.Wait(t, "all clients to connect again", settled)
	for i, r := range roamers {
		r.stop()
		if r.err != nil || r.closes < 1 || r.closes > 2 {
			t.Errorf("client %d was closed %d times, and refused with %v", i, r.closes, r.err)
		}
	}
	for host, p := range fleet.servers { // half of the clients, as with two servers
		if n := strings.Count(p.errors.text(), `msg="client connected"`); n > len(roamers)/2+2 {
			t.Errorf("the server %s has got %d clients", host, n)
		}
	}
	text, err := os.ReadFile(fleet.replace["/etc/nginx/ignis-servers.conf"])
	if err != nil || strings.Count(string(text), " max_fails=0 ;\n") != 3 || strings.Count(string(text), "\n") != 3 {
		t.Errorf("the servers after the upgrade are %s, %v", text, err)
	}
}

// nginxFleet is nginx with three servers, each of which has its own loopback address.
type nginxFleet struct {
	*tutorial
	front   *front
	section string              // of docs/deploys.md
	servers map[string]*process // by host
}

func newNginxFleet(t *testing.T) *nginxFleet {
	t.Helper()
	f := &nginxFleet{tutorial: follow(t, nil), servers: make(map[string]*process)}
	f.section = doctest.Section(t, doctest.Read(t, "docs/deploys.md"), "nginx")
	_, port, _ := strings.Cut(fixedAddress(t, "127.0.5.1"), ":")
	f.replace[":8080"] = ":" + port
	f.replace["/etc/nginx/ignis-servers.conf"] = filepath.Join(f.dir, "ignis-servers.conf")
	f.replace["/usr/bin/ignis"] = filepath.Join(f.dir, "installed", "ignis")
	path, err := exec.LookPath("ignis")
	if err == nil {
		err = errors.Join(os.Symlink(path, filepath.Join(f.dir, "ignis")), os.Mkdir(filepath.Join(f.dir, "installed"), 0o700))
	}
	if err != nil {
		t.Fatal(err)
	}
	var list strings.Builder
	for i := range 3 {
		host := fmt.Sprintf("127.0.5.%d", 1+i)
		f.replace[fmt.Sprintf("10.0.0.1%d", 1+i)] = host
		f.servers[host] = serveAt(t, "ignis", host+":"+port)
		fmt.Fprintf(&list, "server %s:%s max_fails=0;\n", host, port)
	}
	file(t, f.dir, "ignis-servers.conf", list.String())
	return f
}

// underGroup runs nginx with its workers, which outlive it if it is killed: they end if this process
// does, because that closes the pipe.
const underGroup = `exec 3<&0; { read -r <&3; kill -TERM 0; } >/dev/null 2>&1 & exec "$@"`

// startNginx starts nginx, with workers that can be replaced, and makes a command nginx for the script.
func (f *nginxFleet) startNginx() {
	t := f.t
	t.Helper()
	ca, cert, key := tlsPair(t)
	path := program(t, "nginx")
	f.front = startFront(t, ca, func(dir, address string) *childproc.Cmd {
		upstream := f.replaced(doctest.Blocks(f.section, "nginx")[0].Text)
		args := []string{
			path, "-e", "stderr", "-p", dir, "-c", nginxConfiguration(t, dir, address, cert, key, documented(t, "nginx", 0), oneServer(t), upstream),
			"-g", "daemon off; pid " + dir + "/pid;",
		}
		f.stub("nginx", "exec '"+strings.Join(args, "' '")+"' \"$@\"")
		cmd := childproc.Command("bash", append([]string{"-c", underGroup, "bash"}, args...)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if _, err := cmd.StdinPipe(); err != nil {
			t.Fatal(err)
		}
		return cmd
	})
	t.Cleanup(func() {
		f.front.process.signal(syscall.SIGTERM)
		f.front.process.wait()
	})
}

// stub makes a command for the script.
func (f *nginxFleet) stub(name, text string) {
	f.t.Helper()
	dir := filepath.Join(f.dir, "bin")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		f.t.Fatal(err)
	}
}

// upgrade runs the script. Its scp and ssh copy and run commands on this machine; systemctl asks the
// test to stop or start a server.
func (f *nginxFleet) upgrade() {
	t := f.t
	t.Helper()
	type order struct {
		verb, host string
		done       chan struct{}
	}
	orders := make(chan order)
	systemd := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		verb, host, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		o := order{verb, host, make(chan struct{})}
		orders <- o
		<-o.done
	}))
	defer systemd.Close()
	f.stub("scp", `exec cp "$1" "${2#*:}"`)
	f.stub("ssh", `SSH_HOST=$1 exec bash -euc "$2"`)
	f.stub("systemctl", `exec curl -fsS "`+systemd.URL+`/$1/$SSH_HOST"`)
	cmd := childproc.Command("bash", "-c", f.replaced(doctest.Blocks(f.section, "bash")[0].Text))
	cmd.Dir = f.dir
	script := startCommand(t, []string{"PATH=" + filepath.Join(f.dir, "bin") + ":" + os.Getenv("PATH")}, cmd)
	upgraded := 0
	for running := true; running; {
		select {
		case o := <-orders:
			switch o.verb {
			case "stop":
				f.servers[o.host].signal(syscall.SIGTERM)
				f.servers[o.host].wait()
			case "start":
				f.servers[o.host] = serveAt(t, f.replace["/usr/bin/ignis"], o.host+f.replace[":8080"])
				upgraded++
			}
			close(o.done)
		case <-script.ended:
			running = false
		}
	}
	if code := script.wait(); code != 0 || upgraded != 3 {
		t.Fatalf("the script has upgraded %d servers and ended with exit code %d", upgraded, code)
	}
}

// roamer is a client that connects again when it is closed.
type roamer struct {
	settled atomic.Bool // it is connected, or was refused and has ended
	cancel  context.CancelFunc
	done    sync.WaitGroup
	closes  int   // valid after stop, as is err
	err     error // why a connection was refused
}

// roam starts a client.
func (f *front) roam() *roamer {
	ctx, cancel := context.WithCancel(withTimeout(f.t))
	r := &roamer{cancel: cancel}
	r.done.Add(1)
	go func() {
		defer r.done.Done()
		for {
			c, err := f.tryDial("127.0.0.1")
			r.settled.Store(true)
			if err != nil {
				r.err = err
				return
			}
			for err == nil {
				_, err = c.Receive(ctx)
			}
			r.settled.Store(false)
			_ = c.Close()
			if ctx.Err() != nil {
				return
			}
			r.closes++
		}
	}()
	f.t.Cleanup(r.stop)
	return r
}

// stop ends the client.
func (r *roamer) stop() {
	r.cancel()
	r.done.Wait()
}
