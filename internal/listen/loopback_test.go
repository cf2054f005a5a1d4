package listen

import "testing"

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST:80": true, "127.0.0.1": true, "127.1.2.3:9": true, "[::1]:80": true, "[::1]": true, "::1": true,
		"[::ffff:127.0.0.1]:1": true, "": false, ":80": false, "0.0.0.0": false, "[::]:80": false, "128.0.0.1": false, "127.0.0.1.": false,
		"localhost.": false, "a.localhost": false, "127.1": false, "2130706433": false, "0x7f.1": false, "localhost:80:80": false,
	} {
		if got := IsLoopbackHost(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}
