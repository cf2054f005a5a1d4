package main

import (
	"io"
	"os"
)

// readSecret returns the first bytes of a file, one more than limit at most. It calls
// open if every user of the machine may read it.
func readSecret(name string, limit int64, open func(mode os.FileMode)) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o004 != 0 {
		open(mode)
	}
	return io.ReadAll(io.LimitReader(f, limit+1))
}
