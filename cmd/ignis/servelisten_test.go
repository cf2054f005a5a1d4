package main

import (
	"net"
	"strings"
	"testing"
)

// The hint for --listen depends on the error.
func TestListenErrors(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for address, want := range map[string]string{
		l.Addr().String():   "is another server running there?",
		"no..such.name:80":  "check that the host name resolves",
		"[fe80::1]:8080":    "", // a link-local address without a zone
		"192.0.2.1:8080":    "this machine does not have that address; use one of its addresses, or :8080 for all",
		"[2001:db8::1]:443": "this machine does not have that address",
	} {
		if strings.HasPrefix(address, "[") && !hasIPv6() {
			continue
		}
		p := start(t, []string{"IGNIS_JWT_SECRET=" + strings.Repeat("s", 32)}, "serve", "--listen", address)
		if code := p.wait(); code != exitFailed {
			t.Errorf("%s: exit code %d", address, code)
		}
		_, text, _ := strings.Cut(p.errors.text(), "error: --listen: ")
		_, hint, _ := strings.Cut(text, "\nhint: ")
		if text == "" || !strings.HasPrefix(hint, want) || (hint == "") != (want == "") {
			t.Errorf("%s: got %s", address, p.errors.text())
		}
	}
}

func hasIPv6() bool {
	l, err := net.Listen("tcp", "[::1]:0")
	if err == nil {
		_ = l.Close()
	}
	return err == nil
}
