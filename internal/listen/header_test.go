package listen

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/pires/go-proxyproto"
)

// v2 returns a header of version 2.
func v2(command, family byte, payload ...byte) string {
	b := append(append([]byte(nil), proxyproto.SIGV2...), command, family)
	return string(append(binary.BigEndian.AppendUint16(b, uint16(len(payload))), payload...))
}

var (
	addresses4 = []byte{203, 0, 113, 9, 192, 0, 2, 1, 0, 77, 0, 80}
	addresses6 = append(append(netip.MustParseAddr("2001:db8::9").AsSlice(), netip.MustParseAddr("2001:db8::1").AsSlice()...), 0, 77, 0, 80)
	mapped6    = append(append(netip.MustParseAddr("::ffff:203.0.113.9").AsSlice(), make([]byte, 16)...), 0, 77, 0, 80)
)

func TestHeaders(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want string // the client; "-": it names none; "": an error
	}{
		"v1":                        {"PROXY TCP4 203.0.113.9 192.0.2.1 77 80\r\n", "203.0.113.9:77"},
		"v1, shortest":              {"PROXY TCP4 1.1.1.1 1.1.1.1 0 0\r\n", "1.1.1.1:0"},
		"v1, IPv6":                  {"PROXY TCP6 2001:db8::9 2001:db8::1 77 80\r\n", "[2001:db8::9]:77"},
		"v1, mapped":                {"PROXY TCP6 ::ffff:203.0.113.9 2001:db8::1 77 80\r\n", "203.0.113.9:77"},
		"v1, unknown":               {"PROXY UNKNOWN\r\n", "-"},
		"v1, unknown with more":     {"PROXY UNKNOWN 203.0.113.9 192.0.2.1 77 80\r\n", "-"},
		"v1, without CR":            {"PROXY TCP4 203.0.113.9 192.0.2.1 77 80\n", ""},
		"v1, too long":              {"PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r\n", ""},
		"v1, longest":               {"PROXY UNKNOWN " + strings.Repeat("x", 91) + "\r\n", "-"},
		"v1, another word":          {"PROXYx TCP4 203.0.113.9 192.0.2.1 77 80\r\n", ""},
		"v1, in small letters":      {"proxy TCP4 203.0.113.9 192.0.2.1 77 80\r\n", ""},
		"v1, no address":            {"PROXY TCP4 localhost 192.0.2.1 77 80\r\n", ""},
		"v1, a port too many":       {"PROXY TCP4 203.0.113.9 192.0.2.1 77 80 90\r\n", ""},
		"v1, a zone":                {"PROXY TCP6 fe80::1%eth0 2001:db8::1 77 80\r\n", ""},
		"v2":                        {v2(0x21, 0x11, addresses4...), "203.0.113.9:77"},
		"v2, datagrams":             {v2(0x21, 0x12, addresses4...), "203.0.113.9:77"},
		"v2, IPv6":                  {v2(0x21, 0x21, addresses6...), "[2001:db8::9]:77"},
		"v2, mapped":                {v2(0x21, 0x21, mapped6...), "203.0.113.9:77"},
		"v2, with more":             {v2(0x21, 0x11, append(addresses4[:12:12], 0xea, 0, 3, 'a', 'b', 'c')...), "203.0.113.9:77"},
		"v2, local":                 {v2(0x20, 0), "-"},
		"v2, local with an address": {v2(0x20, 0x11, addresses4...), "-"},
		"v2, a Unix socket":         {v2(0x21, 0x31, make([]byte, 216)...), "-"},
		"v2, unspecified":           {v2(0x21, 0), ""},
		"v2, short":                 {v2(0x21, 0x11, addresses4[:11]...), ""},
		"v2, another family":        {v2(0x21, 0x13, addresses4...), ""},
		"v2, another command":       {v2(0x22, 0x11, addresses4...), ""},
		"v3":                        {v2(0x31, 0x11, addresses4...), ""},
		"v2, longest":               {v2(0x21, 0x11, append(addresses4[:12:12], make([]byte, 4096-12)...)...), "203.0.113.9:77"},
		"v2, too long":              {v2(0x21, 0x11, append(addresses4[:12:12], make([]byte, 4097-12)...)...), ""},
		"a request":                 {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", ""},
		"a handshake":               {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03abcdefghijklmnop", ""},
		"nothing":                   {"", ""},
		"half of v1":                {"PROXY TCP4 203.0.113.9 192.0", ""},
		"half of v2":                {v2(0x21, 0x11, addresses4...)[:20], ""},
	} {
		for _, byByte := range []bool{false, true} { // headers may come in pieces
			const rest = "PROXY TCP4 6.6.6.6 6.6.6.6 6 6\r\n"
			all := strings.NewReader(test.text + rest)
			r := io.Reader(all)
			if test.want == "" {
				r = strings.NewReader(test.text)
			}
			if byByte {
				r = iotest.OneByteReader(r)
			}
			client, err := readHeader(r)
			got := ""
			if err == nil {
				got = "-"
				if client != nil {
					got = client.String()
				}
				if left, _ := io.ReadAll(r); string(left) != rest {
					t.Errorf("%s: %q is left to read", name, left)
				}
			}
			if got != test.want {
				t.Errorf("%s: got %q, %v, want %q", name, got, err, test.want)
			}
		}
	}
}

// readHeader agrees with go-proxyproto on the content and the length of headers.
func FuzzHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 203.0.113.9 192.0.2.1 77 80\r\nGET"))
	f.Add([]byte(v2(0x21, 0x11, addresses4...) + "GET"))
	f.Add([]byte(v2(0x21, 0x21, addresses6...)))
	f.Add([]byte(v2(0x20, 0, 1, 2, 3)))
	f.Add([]byte("PROXY UNKNOWN\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		got, err := readHeader(r)
		left, _ := io.ReadAll(r)
		if !bytes.HasSuffix(b, left) {
			t.Fatal("the unread bytes are not the end of the input")
		}
		theirs := bufio.NewReaderSize(bytes.NewReader(b), 128<<10)
		want, theirErr := proxyproto.Read(theirs)
		if (err == nil) != (theirErr == nil) {
			t.Fatalf("got %v, the library %v", err, theirErr)
		}
		if err != nil {
			return
		}
		if theirRest, _ := io.ReadAll(theirs); !bytes.Equal(left, theirRest) {
			t.Errorf("%q is left, but by the library %q", left, theirRest)
		}
		if got == nil {
			return
		}
		if _, ok := want.SourceAddr.(*net.UnixAddr); ok || want.Command.IsLocal() || want.SourceAddr.String() != got.String() {
			t.Errorf("got %v, the library %v", got, want.SourceAddr)
		}
	})
}

// PROXY headers are read only from trusted proxies. No bytes after the header are read from
// the connection, which is still a plain socket.
func TestTrustedHeaders(t *testing.T) {
	for name, test := range map[string]struct {
		networks string
		send     string
		want     string // RemoteAddr without the port of a peer of ours; "": refused
		left     string
	}{
		"from a proxy":                       {"127.0.0.0/8", "PROXY TCP4 203.0.113.9 192.0.2.1 77 80\r\nGET", "203.0.113.9:77", "GET"},
		"from a proxy, v2":                   {"127.0.0.0/8", v2(0x21, 0x11, addresses4...) + "GET", "203.0.113.9:77", "GET"},
		"two headers":                        {"127.0.0.0/8", v2(0x21, 0x11, addresses4...) + "PROXY TCP4 6.6.6.6 1.1.1.1 1 1\r\n", "203.0.113.9:77", "PROXY TCP4 6.6.6.6 1.1.1.1 1 1\r\n"},
		"a check of the proxy itself":        {"127.0.0.0/8", v2(0x20, 0) + "GET", "127.0.0.1", "GET"},
		"from a proxy without a header":      {"127.0.0.0/8", "GET / HTTP/1.1\r\n\r\n", "", ""},
		"from a proxy with a broken header":  {"127.0.0.0/8", "PROXY TCP4 x y 77 80\r\nGET", "", ""},
		"from another peer":                  {"10.0.0.0/8", "PROXY TCP4 203.0.113.9 192.0.2.1 77 80\r\nGET", "127.0.0.1", "PROXY TCP4 203.0.113.9 192.0.2.1 77 80\r\nGET"},
		"from another peer, v2":              {"10.0.0.0/8", v2(0x21, 0x11, addresses4...), "127.0.0.1", v2(0x21, 0x11, addresses4...)},
		"from another peer without a header": {"10.0.0.0/8", "GET", "127.0.0.1", "GET"},
	} {
		t.Run(name, func(t *testing.T) {
			l, book := open(t, Config{
				Addresses: []Address{address("127.0.0.1:0", proxying)},
				Trusted:   Proxies{Networks: []netip.Prefix{netip.MustParsePrefix(test.networks)}},
			})
			one := l.All()[0]
			peer, err := net.Dial("tcp", one.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer peer.Close()
			_, _ = io.WriteString(peer, test.send)
			_ = peer.(*net.TCPConn).CloseWrite()
			if test.want == "" {
				_, _ = io.ReadAll(peer) // until it is refused
				l.Close()
				if s := l.Stats(); s.ProxyRefused != 1 || book.Count("a trusted proxy did not send a PROXY header") != 1 {
					t.Errorf("counted %d, and logged %s", s.ProxyRefused, book)
				}
				return
			}
			nc, err := one.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			got := nc.RemoteAddr().String()
			if host, _, _ := net.SplitHostPort(got); got != test.want && host != test.want {
				t.Errorf("it comes from %s, want %s", got, test.want)
			}
			if _, ok := Inner(nc).(*net.TCPConn); !ok {
				t.Errorf("the connection is a %T, which is not polled", Inner(nc))
			}
			if Anonymous(nc) != (name == "a check of the proxy itself") {
				t.Errorf("anonymous: %v", Anonymous(nc))
			}
			if left, _ := io.ReadAll(Inner(nc)); string(left) != test.left {
				t.Errorf("left to read is %q", left)
			}
		})
	}
}

// A proxy that sends no header in time is refused, and does not delay others.
func TestSlowHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newMem(t, Config{Addresses: []Address{address("127.0.0.1:0", proxying)}, Trusted: anyMemPeer()})
		defer n.close()
		slow, fast := n.dial(), n.dial()
		go func() { _, _ = io.WriteString(slow, "PROXY TCP4 203.0.113") }()
		go func() { _, _ = io.WriteString(fast, "PROXY TCP4 203.0.113.9 192.0.2.1 77 80\r\n") }()
		nc, err := n.Accept()
		if err != nil || nc.RemoteAddr().String() != "203.0.113.9:77" {
			t.Fatal(nc, err)
		}
		began := time.Now()
		if _, err := slow.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the slow one got %v", err)
		}
		synctest.Wait()
		if d := time.Since(began); d != 3*time.Second || n.Stats().ProxyRefused != 1 || !strings.Contains(n.book.String(), "it did not arrive in time") {
			t.Errorf("it was refused after %v, and logged %s", d, n.book)
		}
	})
}
