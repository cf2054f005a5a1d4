//go:build unix

package main

import (
	"encoding/json"
	"syscall"
	"testing"
)

func TestTheSoftLimitOfDescriptorsIsRaised(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	p := start(t, nil, "serve", "--dev", "--listen", "127.0.0.1:0", "--log-level", "info", "--log-format", "json")
	var line struct{ Descriptors uint64 }
	if err := json.Unmarshal([]byte(p.logged(`"msg":"listening"`)), &line); err != nil {
		t.Fatal(err)
	}
	if line.Descriptors != uint64(limit.Max) {
		t.Errorf("%d descriptors, but the hard limit is %d", line.Descriptors, limit.Max)
	}
}
