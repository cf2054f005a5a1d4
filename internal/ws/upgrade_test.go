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
)

// echo serves connections that send back what they receive.
func echo(t *testing.T, e *Engine) http.Handler {
	opts := defaults()
	opts.Engine = e
	var lives sync.WaitGroup
	t.Cleanup(lives.Wait) // before the engine is closed
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lives.Add(1)
		nc, early, _, err := Upgrade(w, r, Terms{})
		if err != nil {
			lives.Done()
			if nc != nil || early != nil {
				t.Error("Upgrade returned both a connection and an error")
			}
			return
		}
		c := NewConn(nc, 0, &opts)
		l := begin(c, early, func(b []byte) { c.Enqueue(text(string(b))) })
		go func() { <-l.finished; lives.Done() }()
	})
}

const handshake = "GET /ws HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

// HTTP/2 has no such upgrade. The response says so and has no fields that HTTP/2 forbids.
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

// Frames that arrive with the request are not lost, however many of their bytes net/http
// has read.
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

// The upgrade and the frames work with a client of another implementation, with and without
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

// with returns a handshake with additional lines.
func with(lines ...string) string {
	return strings.TrimSuffix(handshake, "\r\n") + strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// shake sends the request and returns the response.
func shake(t *testing.T, s *httptest.Server, request string) (net.Conn, *bufio.Reader, *http.Response) {
	t.Helper()
	nc, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	if _, err := io.WriteString(nc, request); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(nc)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return nc, r, res
}
