package redistest

import "syscall"

// processAttributes lets the process end with the test binary, also when that
// is killed before its clean-up runs.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
