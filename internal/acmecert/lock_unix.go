//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package acmecert

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// tryLock takes the lock of the folder unless another process holds it. The system releases it
// if the process dies.
func (s *store) tryLock() (unlock func(), ok bool, err error) {
	f, err := os.OpenFile(s.path(lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, false, f.Close()
	}
	// On a file system without locks, processes that share the folder may order twice.
	return func() { _ = f.Close() }, true, nil
}

// ownedSafely reports whether the folder belongs to the user of this process or to root.
func ownedSafely(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return !ok || stat.Uid == 0 || int(stat.Uid) == os.Geteuid()
}
