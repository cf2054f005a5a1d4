package listen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// listenUnix listens on a Unix socket. It replaces a socket that no process listens on, such
// as that of a process that was killed, but no other file.
func listenUnix(ctx context.Context, a Address) (net.Listener, error) {
	mode := a.Mode
	if mode == 0 {
		mode = DefaultMode
	}
	// Two processes that start together could both find an old socket, and the second would
	// then remove the new socket of the first.
	unlock, err := lockFolder(ctx, filepath.Dir(a.Name))
	if err != nil {
		return nil, fmt.Errorf("listen unix %s: %w", a.Name, err)
	}
	defer unlock()
	if err := removeStale(ctx, a.Name); err != nil {
		return nil, fmt.Errorf("listen unix %s: %w", a.Name, err)
	}
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { restrict(fd, mode) })
	}}
	ln, err := lc.Listen(ctx, Unix, a.Name)
	if err != nil {
		return nil, err
	}
	s := &unixListener{UnixListener: ln.(*net.UnixListener), path: a.Name}
	s.SetUnlinkOnClose(false) // Close removes it, unless it has been replaced
	if err = os.Chmod(a.Name, mode); err == nil {
		s.file, err = os.Lstat(a.Name)
	}
	if err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("listen unix %s: %w", a.Name, err)
	}
	return s, nil
}

// ErrNotSocket reports that the file at the path of a Unix socket is not a socket.
var ErrNotSocket = errors.New("the file exists and is not a socket")

// errInUse reports that a socket is in use.
var errInUse = fmt.Errorf("another process listens on it: %w", syscall.EADDRINUSE)

// removeStale removes a socket that no process listens on. It returns an error if path is any
// other file.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return ErrNotSocket
	}
	d := net.Dialer{Timeout: time.Second}
	nc, err := d.DialContext(ctx, Unix, path)
	switch {
	case err == nil:
		_ = nc.Close()
		return errInUse
	case errors.Is(err, syscall.EAGAIN): // its queue is full
		return errInUse
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case !errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("cannot determine whether another process listens on it: %w", err)
	}
	return os.Remove(path)
}

// unixListener is a listener that removes its socket when it is closed.
type unixListener struct {
	*net.UnixListener
	path   string
	file   fs.FileInfo // of the socket; nil if unknown
	remove sync.Once
}

// Close closes the listener and removes the socket, unless it has been replaced.
func (l *unixListener) Close() error {
	l.remove.Do(func() {
		if info, err := os.Lstat(l.path); err == nil && l.file != nil && os.SameFile(info, l.file) {
			_ = os.Remove(l.path)
		}
	})
	return l.UnixListener.Close()
}
