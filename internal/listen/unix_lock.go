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

// lockFolder waits until no other process holds the lock of a folder, and takes it.
func lockFolder(ctx context.Context, name string) (unlock func(), err error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrPermission) {
		return func() {}, nil // listening requires no permission to read
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			// On a file system without locks, there is no protection.
			return func() { _ = f.Close() }, nil
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, errors.New("another process holds the lock of the folder")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// restrict limits the mode that the socket gets when it is bound, so that at no time others can
// connect to it. It has no effect on systems other than Linux.
func restrict(fd uintptr, mode os.FileMode) { _ = syscall.Fchmod(int(fd), uint32(mode.Perm())) }
