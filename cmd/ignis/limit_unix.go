//go:build unix

package main

import "syscall"

// descriptorLimit returns how many descriptors, and so connections, the process
// may have. The Go runtime has raised the soft limit to the hard one.
func descriptorLimit() uint64 {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	return uint64(l.Cur)
}
