//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package listen

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// lockFolder keeps other processes that call it from changing sockets in a folder.
func lockFolder(ctx context.Context, name string) (unlock func(), err error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrPermission) {
		return func() {}, nil // not readable, which is not needed to listen there
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			// If the file system has no locks, there is just no protection.
			return func() { _ = f.Close() }, nil
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, errors.New("another process keeps the folder locked")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// restrict limits the mode that a socket gets when it is bound, so that there is no time
// in which more may connect to it. Systems other than Linux ignore it.
func restrict(fd uintptr, mode os.FileMode) { _ = syscall.Fchmod(int(fd), uint32(mode.Perm())) }
