package childproc

import (
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// bind makes the kernel kill the process when the thread that starts it ends.
func (c *Cmd) bind() {
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{}
	}
	c.SysProcAttr.Pdeathsig = syscall.SIGKILL
}

// onThread calls f, which lasts as long as the process, on a thread of its own. A shared thread
// could end earlier, because threads end with the goroutines that are locked to them.
func onThread(f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	f()
}

// Follow ends this process when its parent, the process with the given ID, ends. It is for
// programs that are not started with this package.
func Follow(parent int) {
	fd, err := unix.PidfdOpen(parent, 0)
	if err == unix.ENOSYS { //nolint:errorlint // an errno
		return // a kernel before 5.3
	}
	if err != nil || os.Getppid() != parent {
		os.Exit(1) // the parent has already ended
	}
	go func() {
		for {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
			if n == 1 {
				os.Exit(1)
			}
			if err != nil && err != unix.EINTR { //nolint:errorlint // an errno
				return
			}
		}
	}()
}
