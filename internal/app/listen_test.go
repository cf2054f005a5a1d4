package app

import (
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
)

// The errors are constructed, because not every machine produces them.
func TestListenHints(t *testing.T) {
	t.Parallel()
	bind := func(errno syscall.Errno) error {
		return &net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", errno)}
	}
	for _, row := range []struct {
		port string
		err  error
		want string
	}{
		{"80", bind(syscall.EACCES), "ports below 1024 require a privilege"},
		{"1023", bind(syscall.EACCES), "ports below 1024 require a privilege"},
		{"1024", bind(syscall.EACCES), ""},
		{"0", bind(syscall.EACCES), ""},
		{"80", bind(syscall.EADDRINUSE), "is another server running there?"},
		{"80", bind(syscall.EMFILE), ""},
		{"80", errors.New("something else"), ""},
	} {
		hint := listenHint(on("127.0.0.1:" + row.port).Addresses[0], row.err)
		if !strings.HasPrefix(hint, row.want) || (hint == "") != (row.want == "") {
			t.Errorf("port %s, %v: %q", row.port, row.err, hint)
		}
	}
}
