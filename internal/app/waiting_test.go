package app

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis/internal/certtest"
	"github.com/ignis-go/ignis/internal/loglimit"
	"github.com/ignis-go/ignis/internal/logtest"
	"github.com/ignis-go/ignis/internal/memnet"
)

// lobby is an HTTP server in fake time whose waiting connections can be counted.
type lobby struct {
	*waitingRoom
	t    *testing.T
	book logtest.Log
	in   *memnet.Listener
	hold chan struct{} // requests for /hold wait until it is closed

	server *http.Server
}

// inLobby calls f with a server that closes old connections if there are more than limit.
func inLobby(t *testing.T, limit int, f func(l *lobby)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := &lobby{t: t, in: memnet.Listen(), hold: make(chan struct{})}
		log := loglimit.New(textLogger(&l.book))
		l.waitingRoom = &waitingRoom{max: limit, log: log}
		g := newGate(l.waitingRoom)
		hs := newHTTPServer(g.open(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/hold" {
				<-l.hold
			}
		})), loglimit.New(slog.New(slog.DiscardHandler)))
		l.server, hs.ConnContext = hs, g.attach
		served := start(func() error { return hs.Serve(g.listen(l.in)) })
		f(l)
		_ = l.in.Close()
		<-served.done
		_ = hs.Close()
		synctest.Wait()
		if now, _, _ := l.counts(); now != 0 {
			t.Errorf("%d connections wait after the end", now)
		}
	})
}

// dial returns the peer's side of a connection that has been accepted.
func (l *lobby) dial(send string) net.Conn {
	l.t.Helper()
	far, err := l.in.Dial(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	if send != "" {
		if _, err := io.WriteString(far, send); err != nil {
			l.t.Fatal(err)
		}
	}
	synctest.Wait()
	return far
}

// expect checks how many connections wait, and how many were closed.
func (l *lobby) expect(when string, now int, slow, cutOff uint64) {
	l.t.Helper()
	synctest.Wait()
	if n, s, c := l.counts(); n != now || s != slow || c != cutOff {
		l.t.Errorf("%s: %d wait, %d were slow, %d were cut off; want %d, %d, %d", when, n, s, c, now, slow, cutOff)
	}
}

// lasts waits until the other side of nc is closed, and returns how long that took.
func lasts(nc net.Conn) time.Duration {
	began := time.Now()
	_, _ = io.Copy(io.Discard, nc)
	return time.Since(began)
}

const half = "GET / HTTP/1.1\r\nHost: half"

func TestSlowRequests(t *testing.T) {
	inLobby(t, 10, func(l *lobby) {
		for i, send := range []string{"", half} {
			slow := l.dial(send)
			l.expect("at first", 1, uint64(i), 0)
			if d := lasts(slow); d != 5*time.Second {
				t.Errorf("%q was closed after %v", send, d)
			}
			l.expect("later", 0, uint64(i+1), 0)
		}
		if n := strings.Count(l.book.String(), "its request was not complete in time"); n != 2 && n != 1 {
			t.Errorf("logged %s", &l.book)
		}
	})
}

// A connection between two requests waits, but is not slow. In the middle of the second
// request, it is.
func TestKeptConnections(t *testing.T) {
	inLobby(t, 10, func(l *lobby) {
		for _, test := range []struct {
			second string
			lasts  time.Duration
			slow   uint64
		}{{"", 15 * time.Second, 0}, {half, 5 * time.Second, 1}} {
			c := l.dial("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			response, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			l.expect("after a request", 1, 0, 0)
			if test.second != "" {
				_, _ = io.WriteString(c, test.second)
			}
			if d := lasts(c); d != test.lasts {
				t.Errorf("closed after %v", d)
			}
			l.expect("at the end", 0, test.slow, 0)
		}
	})
}

// When too many connections wait, those that have waited longest are closed, but only when new
// ones arrive, and only after the grace period. Requests that are being handled do not count.
func TestWaitingConnectionsMakeRoom(t *testing.T) {
	inLobby(t, 3, func(l *lobby) {
		busy := l.dial("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")
		var waiting []net.Conn
		for range 6 {
			waiting = append(waiting, l.dial(half))
		}
		l.expect("new ones", 6, 0, 0)
		time.Sleep(waitGrace - 1)
		waiting = append(waiting, l.dial(""))
		l.expect("almost old ones", 7, 0, 0)
		time.Sleep(time.Nanosecond)
		waiting = append(waiting, l.dial(""))
		l.expect("old ones", 4, 0, maxCutOff)
		for _, c := range waiting[:maxCutOff] {
			if d := lasts(c); d != 0 {
				t.Errorf("an old one was closed %v later", d)
			}
		}
		waiting = append(waiting, l.dial(""))
		l.expect("all old ones", 3, 0, 6)
		if n := strings.Count(l.book.String(), "too many others are waiting"); n != 1 {
			t.Errorf("logged %s", &l.book)
		}
		for _, c := range waiting {
			lasts(c)
		}
		close(l.hold)
		response, err := http.ReadResponse(bufio.NewReader(busy), nil)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Errorf("the request got %v, %v", response, err)
		}
		_ = response.Body.Close()
		_ = busy.Close()
	})
}

// No more connections are closed than necessary.
func TestWaitingConnectionsAreKept(t *testing.T) {
	inLobby(t, 3, func(l *lobby) {
		var waiting []net.Conn
		for range 4 {
			waiting = append(waiting, l.dial(half))
		}
		time.Sleep(waitGrace)
		waiting = append(waiting, l.dial(""))
		l.expect("one more", 3, 0, 2)
		for _, c := range waiting {
			lasts(c)
		}
		l.expect("at the end", 0, 3, 2)
	})
}

// A connection with TLS is closed without a closing message, which could block.
func TestCutOffWithTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := certtest.NewAuthority(t, "test")
		pair := ca.Issue(t, certtest.Options{Name: "localhost"})
		near, far := net.Pipe()
		server := tls.Server(near, &tls.Config{Certificates: []tls.Certificate{pair.Certificate(t)}, SessionTicketsDisabled: true, MinVersion: tls.VersionTLS12})
		peer := tls.Client(far, &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost", MinVersion: tls.VersionTLS12})
		shaken := start(server.Handshake)
		if err := peer.Handshake(); err != nil {
			t.Fatal(err)
		}
		<-shaken.done
		aborting := start(func() error { (&gatedConn{Conn: server, outer: server}).abort(); return nil })
		if n, err := far.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the peer received %d bytes, %v", n, err)
		}
		_ = far.Close()
		<-aborting.done
	})
}

// Connections that wait for the gate, because their headers have arrived, are not closed.
func TestConnectionsAtTheGateAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(1)
		g.waiting.max = 1
		g.places <- struct{}{}
		for range 3 {
			p := pass(t, g)
			time.Sleep(time.Second)
			g.waiting.enter(p.conn.(*gatedConn))
		}
		if now, _, cutOff := g.waiting.counts(); now != 3 || cutOff != 0 {
			t.Errorf("%d wait, %d were cut off", now, cutOff)
		}
		for range 3 {
			<-g.places
			synctest.Wait()
		}
	})
}
