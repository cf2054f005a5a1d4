package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// output prints lines and, on a terminal, one that changes while something happens.
type output struct {
	to       io.Writer
	terminal bool
}

func newOutput(f *os.File) *output {
	info, err := f.Stat()
	return &output{f, err == nil && info.Mode()&os.ModeCharDevice != 0}
}

func (o *output) printf(format string, args ...any) { _, _ = fmt.Fprintf(o.to, format, args...) }

// follow shows a line until the function that it returns is called.
func (o *output) follow(line func() string) (end func()) {
	if !o.terminal {
		return func() {}
	}
	done := make(chan struct{})
	var showing sync.WaitGroup
	showing.Go(func() {
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				o.printf("\r\033[K%s", line())
			case <-done:
				o.printf("\r\033[K")
				return
			}
		}
	})
	return func() {
		close(done)
		showing.Wait()
	}
}
