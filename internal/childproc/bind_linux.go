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

// onThread calls f, which runs as long as the child process, on a dedicated thread. Another
// thread could end earlier, because a thread ends with a goroutine that is locked to it.
func onThread(f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	f()
}

// Follow makes this process exit when its parent, the process with the given ID, ends. It is
// for programs whose parent does not start them with this package.
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
