//go:build unix

package listen

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// socketPath returns a path in a new folder that is short enough for a socket.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ignis")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

func listenAt(t *testing.T, path string, mode fs.FileMode) (net.Listener, error) {
	t.Helper()
	l, err := listenUnix(t.Context(), Address{Network: Unix, Name: path, Mode: mode})
	if err == nil {
		t.Cleanup(func() { _ = l.Close() })
	}
	return l, err
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// abandon leaves a socket at path that no process listens on.
func abandon(t *testing.T, path string) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = l.Close()
	if !exists(path) {
		t.Fatal("the socket was removed")
	}
}

func TestUnixSocketHasItsMode(t *testing.T) {
	for mode, want := range map[fs.FileMode]fs.FileMode{0: 0o660, 0o600: 0o600, 0o666: 0o666, 0o777: 0o777} {
		path := socketPath(t)
		l, err := listenAt(t, path, mode)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Lstat(path)
		if err != nil || info.Mode().Perm() != want || info.Mode().Type() != fs.ModeSocket {
			t.Errorf("%#o: the mode is %v, %v", mode, info.Mode(), err)
		}
		if err := l.Close(); err != nil || exists(path) {
			t.Errorf("closing: %v, and the socket exists: %v", err, exists(path))
		}
	}
}

func TestUnixSocketConnects(t *testing.T) {
	path := socketPath(t)
	l, _ := open(t, Config{Addresses: []Address{address("unix:" + path)}})
	if got := l.All()[0].URL(); got != "unix:"+path {
		t.Errorf("its URL is %s", got)
	}
	peer, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	nc, err := l.All()[0].Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, ok := nc.(*net.UnixConn); !ok {
		t.Errorf("the connection is a %T, which is not polled", nc)
	}
}

// Exactly one of several processes replaces a socket that no process listens on.
func TestStaleSocketIsReplacedOnce(t *testing.T) {
	for range 20 {
		path := socketPath(t)
		abandon(t, path)
		var ready, done sync.WaitGroup
		var won atomic.Int32
		begin, end := make(chan struct{}), make(chan struct{})
		for range 4 {
			ready.Add(1)
			done.Go(func() {
				<-begin
				l, err := listenUnix(context.Background(), Address{Network: Unix, Name: path})
				ready.Done()
				if err != nil {
					if !errors.Is(err, syscall.EADDRINUSE) {
						t.Error(err)
					}
					return
				}
				won.Add(1)
				<-end
				_ = l.Close()
			})
		}
		close(begin)
		ready.Wait()
		if nc, err := net.Dial("unix", path); err != nil {
			t.Error(err)
		} else {
			_ = nc.Close()
		}
		close(end)
		done.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d listen", won.Load())
		}
	}
}

// Sockets in use and other files are not replaced.
func TestNotReplaced(t *testing.T) {
	for name, test := range map[string]struct {
		make func(t *testing.T, path string)
		want error
	}{
		"a live socket": {func(t *testing.T, path string) {
			if _, err := listenAt(t, path, 0); err != nil {
				t.Fatal(err)
			}
		}, syscall.EADDRINUSE},
		"a live socket with a full queue": {func(t *testing.T, path string) {
			fillQueue(t, path)
		}, syscall.EADDRINUSE},
		"a file": {func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, ErrNotSocket},
		"a folder": {func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, ErrNotSocket},
		"a link to an old socket": {func(t *testing.T, path string) {
			abandon(t, path+"2")
			if err := os.Symlink(path+"2", path); err != nil {
				t.Fatal(err)
			}
		}, ErrNotSocket},
		"a socket for datagrams": {func(t *testing.T, path string) {
			c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
		}, syscall.EPROTOTYPE},
	} {
		t.Run(name, func(t *testing.T) {
			path := socketPath(t)
			test.make(t, path)
			before, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = listenAt(t, path, 0)
			if !errors.Is(err, test.want) || !strings.HasPrefix(err.Error(), "listen unix "+path+": ") {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
				t.Errorf("it is not there: %v", err)
			}
		})
	}
}

// fillQueue listens at path without accepting, until further connections fail.
func fillQueue(t *testing.T, path string) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	peer, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = peer.Close() })
}

func TestNoFolder(t *testing.T) {
	_, err := listenAt(t, filepath.Join(t.TempDir(), "none", "s"), 0)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// Close does not remove the socket of another process.
func TestCloseRemovesOnlyItsSocket(t *testing.T) {
	path := socketPath(t)
	old, err := listenAt(t, path, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := listenAt(t, path, 0); err != nil {
		t.Fatal(err)
	}
	_ = old.Close()
	_ = old.Close()
	nc, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal("the new socket is gone: ", err)
	}
	_ = nc.Close()
}

// PROXY headers from a Unix socket are read only if its peers are trusted.
func TestProxyHeaderOnUnixSocket(t *testing.T) {
	for _, trusted := range []bool{true, false} {
		path := socketPath(t)
		l, _ := open(t, Config{Addresses: []Address{address("unix:"+path, proxying)}, Trusted: Proxies{Unix: trusted}})
		peer, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		const head = "PROXY TCP4 203.0.113.9 192.0.2.1 5 80\r\n"
		_, _ = io.WriteString(peer, head+"GET")
		_ = peer.(*net.UnixConn).CloseWrite()
		nc, err := l.All()[0].Accept()
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(nc)
		if (nc.RemoteAddr().String() == "203.0.113.9:5") != trusted || bytes.HasPrefix(got, []byte("PROXY")) == trusted {
			t.Errorf("trusted %v: from %s came %q", trusted, nc.RemoteAddr(), got)
		}
		_, _ = nc.Close(), peer.Close()
	}
}
