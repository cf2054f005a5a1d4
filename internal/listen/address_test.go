package listen

import (
	"net"
	"net/netip"
	"strings"
	"testing"
)

func TestAddress(t *testing.T) {
	for text, want := range map[string]Address{
		"127.0.0.1:8080":   {Network: TCP, Name: "127.0.0.1:8080"},
		":0":               {Network: TCP, Name: ":0"},
		"[::1]:80":         {Network: TCP, Name: "[::1]:80"},
		"localhost:65535":  {Network: TCP, Name: "localhost:65535"},
		"unix:/run/x.sock": {Network: Unix, Name: "/run/x.sock"},
		"unix:x":           {Network: Unix, Name: "x"},
		"systemd":          {Network: Systemd},
		"systemd:web":      {Network: Systemd, Name: "web"},
		"systemd:8080":     {Network: TCP, Name: "systemd:8080"}, // a host
	} {
		var got Address
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want || got.String() != text {
			t.Errorf("%s: %+v, %v, as text %s", text, got, err, got)
		}
	}
	for _, text := range []string{"", "8080", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:65536", "::1:80", "unix:", "unix:@x", "unix:\x00x", "systemd:", "systemd:a:b", "systemd:a,b"} {
		var got Address
		if err := got.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "expected ") {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	for want, addresses := range map[string][]Address{
		"no address":                   nil,
		"127.0.0.1:80 is listed twice": {address("127.0.0.1:80"), address("unix:/x"), address("127.0.0.1:80", secure)},
		"unix:/x is listed twice":      {address("unix:/x"), address("unix:/x")},
		"certificate: open missing":    {address("127.0.0.1:0", secure)},
		"":                             {address("127.0.0.1:0"), address("127.0.0.1:0")},
	} {
		c, _ := logged(Config{Addresses: addresses, TLS: TLS{CertFile: "missing"}})
		_, err := New(c)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// If one address cannot be listened on, the others are closed again.
func TestOpenAllOrNone(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	c, _ := logged(Config{Addresses: []Address{address("127.0.0.1:0"), address(taken.Addr().String())}})
	l, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Open(t.Context()); err == nil {
		t.Fatal("it listens where another does")
	}
	if nc, err := net.Dial("tcp", l.All()[0].Addr().String()); err == nil {
		_ = nc.Close()
		t.Error("the first address still accepts")
	}
}

func TestTrusts(t *testing.T) {
	p := Proxies{Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fe80::/10")}}
	for text, want := range map[string]bool{
		"10.1.2.3:4": true, "[::ffff:10.1.2.3]:4": true, "[fe80::1%eth0]:4": true, "11.0.0.1:4": false, "[::1]:4": false, "[::ffff:11.0.0.1]:4": false,
	} {
		if got := p.Trusts(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(text))); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if p.Trusts(&net.UnixAddr{Name: "@", Net: "unix"}) || !(Proxies{Unix: true}).Trusts(&net.UnixAddr{Name: "@", Net: "unix"}) {
		t.Error("peers on Unix sockets are not judged by Unix")
	}
	if (Proxies{Networks: p.Networks, Unix: true}).Trusts(&net.IPAddr{IP: net.IPv4(10, 0, 0, 1)}) {
		t.Error("an address of another kind is trusted")
	}
}
