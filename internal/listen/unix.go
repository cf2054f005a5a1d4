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

// listenUnix listens on a Unix socket. It replaces a socket that nobody listens on
// anymore, such as that of a process that was killed, and nothing else.
func listenUnix(ctx context.Context, a Address) (net.Listener, error) {
	mode := a.Mode
	if mode == 0 {
		mode = DefaultMode
	}
	// Two processes that start together could both see an old socket, and the later one
	// would remove the new socket of the earlier one.
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
	s.SetUnlinkOnClose(false) // Close removes it, if it is still this one
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
var ErrNotSocket = errors.New("a file is there that is not a socket")

// errInUse is the reason for not replacing a socket.
var errInUse = fmt.Errorf("another process listens there: %w", syscall.EADDRINUSE)

// removeStale removes a socket that nobody listens on. It returns an error if there is
// anything else at the path.
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
		return fmt.Errorf("cannot find out whether another process listens there: %w", err)
	}
	return os.Remove(path)
}

// unixListener removes its socket when it is closed.
type unixListener struct {
	*net.UnixListener
	path   string
	file   fs.FileInfo // nil if it is not known
	remove sync.Once
}

// Close closes the listener and removes the socket, unless another one is there now.
func (l *unixListener) Close() error {
	l.remove.Do(func() {
		if info, err := os.Lstat(l.path); err == nil && l.file != nil && os.SameFile(info, l.file) {
			_ = os.Remove(l.path)
		}
	})
	return l.UnixListener.Close()
}
