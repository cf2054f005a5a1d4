package ws

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
)

// echo serves connections that send back what they get.
func echo(t *testing.T, e *Engine) http.Handler {
	opts := defaults()
	opts.Engine = e
	var lives sync.WaitGroup
	t.Cleanup(lives.Wait) // before the engine is closed
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lives.Add(1)
		nc, early, _, err := Upgrade(w, r, false)
		if err != nil {
			lives.Done()
			if nc != nil || early != nil {
				t.Error("a connection beside an error")
			}
			return
		}
		c := NewConn(nc, false, &opts)
		l := begin(c, early, func(b []byte) { c.Enqueue(text(string(b))) })
		go func() { <-l.finished; lives.Done() }()
	})
}

const handshake = "GET /ws HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

func TestUpgradeAnswers(t *testing.T) {
	without := func(field string) string {
		i := strings.Index(handshake, field)
		return handshake[:i] + handshake[i+strings.Index(handshake[i:], "\r\n")+2:]
	}
	tests := []struct {
		name, request string
		status        int
		header, value string
	}{
		{"handshake", handshake, 101, "Sec-Websocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
		{"lower and upper case", strings.Replace(handshake, "Upgrade: websocket", "upgrade: WebSocket", 1), 101, "", ""},
		{"plain GET", "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", 426, "Upgrade", "websocket"},
		{"another protocol", strings.Replace(handshake, "websocket", "h2c", 1), 426, "Upgrade", "websocket"},
		{"another version", strings.Replace(handshake, ": 13", ": 8", 1), 426, "Sec-Websocket-Version", "13"},
		{"no version", without("Sec-WebSocket-Version"), 400, "", ""},
		{"no key", without("Sec-WebSocket-Key"), 400, "", ""},
		{"a short key", strings.Replace(handshake, "dGhlIHNhbXBsZSBub25jZQ==", "dGhl", 1), 400, "", ""},
		{"no Connection", without("Connection"), 400, "", ""},
		{"POST", strings.Replace(handshake, "GET", "POST", 1), 405, "Allow", "GET"},
		{"HTTP/1.0", strings.Replace(handshake, "HTTP/1.1", "HTTP/1.0", 1), 505, "", ""},
	}
	f := newEngine(t, EngineConfig{})
	s := httptest.NewServer(echo(t, f))
	t.Cleanup(s.Close)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			nc, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = nc.Close() }()
			if _, err := io.WriteString(nc, tt.request); err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(bufio.NewReader(nc), nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != tt.status || tt.header != "" && res.Header.Get(tt.header) != tt.value {
				t.Errorf("got %s, %v", res.Status, res.Header)
			}
		})
	}
}

// HTTP/2 has no such upgrade; the answer says so and holds no field that HTTP/2
// forbids.
func TestUpgradeOverHTTP2(t *testing.T) {
	s := httptest.NewUnstartedServer(echo(t, newEngine(t, EngineConfig{})))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	res, err := s.Client().Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.ProtoMajor != 2 || res.StatusCode != http.StatusUpgradeRequired ||
		res.Header.Get("Upgrade") != "" || res.Header.Get("Connection") != "" {
		t.Errorf("got %s %s, %v", res.Proto, res.Status, res.Header)
	}
}

// Frames that come together with the handshake are not lost, whatever part of
// them net/http has read.
func TestUpgradeKeepsEarlyFrames(t *testing.T) {
	s := httptest.NewServer(echo(t, newEngine(t, EngineConfig{})))
	t.Cleanup(s.Close)
	for _, size := range []int{0, 100, 3000, 10_000, 100_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			nc, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = nc.Close() }()
			long := strings.Repeat("x", size)
			stream := handshake + string(masked(ws.OpText, true, long)) + string(masked(ws.OpText, true, "second"))
			if _, err := io.WriteString(nc, stream); err != nil {
				t.Fatal(err)
			}
			r := bufio.NewReader(nc)
			if _, err := http.ReadResponse(r, nil); err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{long, "second"} {
				f, err := readFrame(r)
				if err != nil || f.Payload != want {
					t.Fatalf("got %d bytes, %v; want %d", len(f.Payload), err, len(want))
				}
			}
		})
	}
}

// The upgrade and the frames through another implementation, with and without
// TLS.
func TestUpgradeWithGobwasClient(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls %v", secure), func(t *testing.T) {
			s := httptest.NewUnstartedServer(echo(t, newEngine(t, EngineConfig{})))
			d := ws.Dialer{}
			if secure {
				s.StartTLS()
				d.TLSConfig = s.Client().Transport.(*http.Transport).TLSClientConfig
			} else {
				s.Start()
			}
			t.Cleanup(s.Close)
			nc, _, _, err := d.Dial(context.Background(), strings.Replace(s.URL, "http", "ws", 1))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = nc.Close() }()
			if err := ws.WriteFrame(nc, ws.MaskFrame(ws.NewTextFrame([]byte("hello")))); err != nil {
				t.Fatal(err)
			}
			f, err := readFrame(nc)
			if err != nil || f.Payload != "hello" {
				t.Errorf("got %q, %v", f.Payload, err)
			}
		})
	}
}

func TestNegotiate(t *testing.T) {
	const (
		yes    = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
		window = yes + "; server_max_window_bits=15"
	)
	tests := []struct {
		name   string
		fields []string
		want   string
	}{
		{"no field", nil, ""},
		{"an empty field", []string{" "}, ""},
		{"Firefox, Safari", []string{"permessage-deflate"}, yes},
		{"Chrome, Bun, Node's ws", []string{"permessage-deflate; client_max_window_bits"}, yes},
		{"gobwas", []string{"permessage-deflate;server_no_context_takeover;client_no_context_takeover"}, yes},
		{"an old Safari", []string{"x-webkit-deflate-frame"}, ""},
		{"another extension first", []string{"bbf-usp-protocol; a=b, permessage-deflate"}, yes},
		{"in a second field", []string{"x-one", "permessage-deflate"}, yes},
		{"empty elements and space", []string{" ,\t, permessage-deflate ;\tclient_max_window_bits = 9 ,"}, yes},
		{"a name in another case", []string{"Permessage-Deflate"}, ""},
		{"a name that begins so", []string{"permessage-deflate2"}, ""},

		{"a window for us", []string{"permessage-deflate; server_max_window_bits=15"}, window},
		{"in quotes", []string{`permessage-deflate; server_max_window_bits="15"`}, window},
		{"in quotes, escaped", []string{`permessage-deflate; server_max_window_bits="1\5"`}, window},
		{"a small window for us", []string{"permessage-deflate; server_max_window_bits=14"}, ""},
		{"a window for us without a size", []string{"permessage-deflate; server_max_window_bits"}, ""},
		{"a window for us that is too large", []string{"permessage-deflate; server_max_window_bits=16"}, ""},
		{"a small window for the client", []string{"permessage-deflate; client_max_window_bits=8"}, yes},
		{"the largest window for the client", []string{`permessage-deflate; client_max_window_bits="15"`}, yes},
		{"too small a window", []string{"permessage-deflate; client_max_window_bits=7"}, ""},
		{"too large a window", []string{"permessage-deflate; client_max_window_bits=16"}, ""},
		{"a window with a zero before it", []string{"permessage-deflate; client_max_window_bits=08"}, ""},
		{"a window that is no number", []string{"permessage-deflate; client_max_window_bits=x"}, ""},

		{"an unknown parameter", []string{"permessage-deflate; speed=11"}, ""},
		{"a value where none belongs", []string{"permessage-deflate; server_no_context_takeover=1"}, ""},
		{"a value where none belongs, the other side", []string{"permessage-deflate; client_no_context_takeover=true"}, ""},
		{"a parameter twice", []string{"permessage-deflate; client_max_window_bits; client_max_window_bits"}, ""},
		{"a parameter twice, once with a value", []string{"permessage-deflate; client_max_window_bits=15; client_max_window_bits"}, ""},
		{"another parameter twice", []string{"permessage-deflate; server_no_context_takeover; server_no_context_takeover"}, ""},
		{"the first that can be", []string{
			"permessage-deflate; server_max_window_bits=10, permessage-deflate; x",
			"permessage-deflate; server_max_window_bits=15, permessage-deflate",
		}, window},
		{"a fallback", []string{"permessage-deflate; server_max_window_bits=10; client_max_window_bits, permessage-deflate; client_max_window_bits"}, yes},
	}
	for _, tt := range tests {
		if got, err := negotiate(tt.fields); err != nil || got != tt.want {
			t.Errorf("%s: %q, %v; want %q", tt.name, got, err, tt.want)
		}
	}
	for _, field := range []string{
		"permessage-deflate;", "; a", "permessage-deflate; =1", "permessage-deflate; a=", "permessage-deflate a",
		`permessage-deflate; a="`, `permessage-deflate; a=""`, `permessage-deflate; a="1`, `permessage-deflate; a="1\`,
		`permessage-deflate; a="1 5"`, `permessage-deflate; a="1"5`, "permessage-deflate; a=b=c", "pérmessage", "a, b; c; ;",
		`"permessage-deflate"`, "permessage-deflate\x00", "a/b",
	} {
		if got, err := negotiate([]string{"permessage-deflate", field}); err == nil {
			t.Errorf("%q: accepted as %q", field, got)
		}
	}
}

func FuzzNegotiate(f *testing.F) {
	f.Add("permessage-deflate; client_max_window_bits, permessage-deflate", "x; y=\"z\\w\"")
	f.Add(`,permessage-deflate; server_max_window_bits="15"`, "")
	f.Fuzz(func(t *testing.T, one, two string) {
		both, err := negotiate([]string{one, two})
		joined, joinedErr := negotiate([]string{one + " , " + two})
		if err == nil && (joinedErr != nil || both != joined) {
			t.Errorf("as two fields %q, as one %q, %v", both, joined, joinedErr)
		}
		if err != nil || both == "" {
			return
		}
		// The answer is an offer by itself, and the answer to that is the same.
		if again, err := negotiate([]string{both}); again != both || err != nil {
			t.Errorf("%q is answered by %q, %v", both, again, err)
		}
		if first, err := negotiate([]string{one}); err != nil || first != "" && first != both {
			t.Errorf("%q alone is answered by %q, %v", one, first, err)
		}
	})
}

// What the client is told, what the caller is told, and what is spoken agree.
func TestUpgradeNegotiatesCompression(t *testing.T) {
	const offered = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
	with := func(field string) string { return strings.TrimSuffix(handshake, "\r\n") + field }
	tests := []struct {
		name, request string
		allowed       bool
		status        int
		deflated      bool
	}{
		{"offered and allowed", with(offered), true, 101, true},
		{"offered", with(offered), false, 101, false},
		{"allowed", handshake, true, 101, false},
		{"neither", handshake, false, 101, false},
		{"allowed, but not like this", with("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n\r\n"), true, 101, false},
		{"malformed", with("Sec-WebSocket-Extensions: permessage-deflate;\r\n\r\n"), true, 400, false},
		{"malformed, and nobody looks", with("Sec-WebSocket-Extensions: permessage-deflate;\r\n\r\n"), false, 101, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			told := make(chan bool, 1)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				nc, _, deflated, err := Upgrade(w, r, tt.allowed)
				told <- deflated
				if err == nil {
					_ = nc.Close()
				}
			}))
			defer s.Close()
			nc, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = nc.Close() }()
			if _, err := io.WriteString(nc, tt.request); err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(bufio.NewReader(nc), nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			answer := res.Header.Get("Sec-WebSocket-Extensions")
			if deflated := <-told; res.StatusCode != tt.status || deflated != tt.deflated || (answer != "") != deflated {
				t.Errorf("got %s, %q; the caller was told %v", res.Status, answer, deflated)
			}
		})
	}
}

// Another implementation negotiates compression, and both sides use it.
func TestCompressionWithGobwasClient(t *testing.T) {
	const limit = 100_000
	m := text(chat(1000))
	read := make(chan []got, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nc, early, deflated, err := Upgrade(w, r, true)
		if err != nil {
			t.Error(err)
			close(read)
			return
		}
		defer func() { _ = nc.Close() }()
		_, _ = nc.Write(m.bytes(deflated))
		rest, _ := io.ReadAll(nc)
		out, err := parseWith(&parser{max: limit, deflate: deflated}, early, rest)
		if err != nil {
			t.Error(err)
		}
		read <- out
	}))
	defer s.Close()
	var d ws.Dialer
	d.Extensions = append(d.Extensions, wsflate.DefaultParameters.Option())
	nc, ahead, hs, err := d.Dial(context.Background(), strings.Replace(s.URL, "http", "ws", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	r := io.Reader(nc)
	if ahead != nil {
		r = ahead // it came together with the handshake's answer
	}
	if len(hs.Extensions) != 1 {
		t.Errorf("the client got %v", hs.Extensions)
	}
	f, err := ws.ReadFrame(r)
	if err != nil || int(f.Header.Length) >= m.Size() {
		t.Fatalf("%+v, %v", f.Header, err)
	}
	if f, err = wsflate.DecompressFrame(f); err != nil || string(f.Payload) != chat(1000) {
		t.Errorf("the client read %q, %v", f.Payload, err)
	}
	if f, err = wsflate.CompressFrame(ws.NewTextFrame([]byte(chat(3000)))); err != nil {
		t.Fatal(err)
	}
	if err := ws.WriteFrame(nc, ws.MaskFrame(f)); err != nil {
		t.Fatal(err)
	}
	_ = nc.Close()
	if out := wait(t, read); len(out) != 1 || out[0] != (got{ws.OpText, chat(3000)}) {
		t.Errorf("the server read %.100q", out)
	}
}
