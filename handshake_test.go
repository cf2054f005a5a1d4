package ignis_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis"
)

// The server selects the first subprotocol that a client offers, or the one that Accept
// chooses.
func TestSubprotocol(t *testing.T) {
	for name, row := range map[string]struct {
		accept func(*http.Request) (ignis.Accepted, error)
		want   string
	}{
		"the first": {nil, "v2.app"},
		"chosen": {func(r *http.Request) (ignis.Accepted, error) {
			return ignis.Accepted{Subprotocol: ignis.Subprotocols(r)[1]}, nil
		}, "v1.app"},
		"none chosen": {func(*http.Request) (ignis.Accepted, error) { return ignis.Accepted{}, nil }, "v2.app"},
	} {
		t.Run(name, func(t *testing.T) {
			n := start(t, ignis.Config{Accept: row.accept})
			d := ws.Dialer{NetDial: n.dial, Protocols: []string{"v2.app", "v1.app"}}
			conn, _, hs, err := d.Dial(context.Background(), "ws://server/ws")
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.Close()
			if hs.Protocol != row.want {
				t.Errorf("answered %q, want %q", hs.Protocol, row.want)
			}
		})
	}
}

// seen is middleware that records the status.
type seen struct {
	http.ResponseWriter
	status int
}

func (s *seen) Unwrap() http.ResponseWriter { return s.ResponseWriter }
func (s *seen) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// broken is middleware that makes an upgrade fail after it has started.
type broken struct{ http.ResponseWriter }

func (broken) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, errors.New("not here")
}

// If a valid handshake fails, the application is at fault. Such handshakes are counted
// separately and logged as errors. They leave no client waiting and no request registered.
func TestFailedHandshakes(t *testing.T) {
	n := start(t, ignis.Config{
		Accept: func(r *http.Request) (ignis.Accepted, error) {
			if len(ignis.Subprotocols(r)) > 0 {
				return ignis.Accepted{Subprotocol: "unheard of"}, nil
			}
			return ignis.Accepted{}, ignis.CheckOrigin(r, nil)
		},
	})
	statuses := make(chan int, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &seen{ResponseWriter: w}
		defer func() { statuses <- rec.status }()
		switch r.Header.Get("X-Middleware") {
		case "hides":
			n.ServeHTTP(struct{ http.ResponseWriter }{rec}, r)
		case "broken":
			n.ServeHTTP(broken{rec}, r)
		default:
			n.ServeHTTP(rec, r)
		}
	}))
	defer s.Close()
	failed, refused := uint64(0), uint64(0)
	for _, row := range []struct {
		name, field, value string
		status             int // 0: no answer
		log                string
	}{
		{"valid", "X-Nothing", "1", 101, ""},
		{"origin", "Origin", "https://evil.example", 403, ""},
		{"version", "Sec-WebSocket-Version", "8", 426, ""},
		{"subprotocol", "Sec-WebSocket-Protocol", "v1.app", 500, "is not one that the client offers"},
		{"no Hijacker", "X-Middleware", "hides", 500, "middleware keeps the connection from being taken over: give struct"},
		{"a Hijacker that fails", "X-Middleware", "broken", 0, "taking over the connection failed: not here"},
	} {
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		r := upgradeRequest()
		r.Header.Set(row.field, row.value)
		_ = r.Write(conn)
		resp, err := http.ReadResponse(bufio.NewReader(conn), r)
		switch {
		case row.status == 0:
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s: got %v, %v", row.name, resp, err)
			}
			<-statuses // middleware sees 101
			failed++
		case err != nil:
			t.Fatalf("%s: %v", row.name, err)
		default:
			_ = resp.Body.Close()
			if status := <-statuses; resp.StatusCode != row.status || status != row.status {
				t.Errorf("%s: the client received %s, middleware %d; want %d", row.name, resp.Status, status, row.status)
			}
			if row.status == 500 {
				failed++
			} else if row.status == 426 {
				refused++
			}
		}
		_ = conn.Close()
		if !n.log.Has(row.log) {
			t.Errorf("%s: the log says\n%s", row.name, n.log)
		}
		if st := n.Stats(); st.FailedUpgrade != failed || st.RefusedUpgrade != refused {
			t.Errorf("%s: %d failed and %d refused, want %d and %d", row.name, st.FailedUpgrade, st.RefusedUpgrade, failed, refused)
		}
	}
	if lines := n.log.Count("level=ERROR"); lines != int(failed) {
		t.Errorf("%d errors in the log, want %d:\n%s", lines, failed, n.log)
	}
	n.stop() // waits until all requests are unregistered
	if err := <-n.ran; err != nil {
		t.Error(err)
	}
	n.ran <- nil
	if strings.Contains(n.log.String(), "unheard of") {
		t.Error("the log contains data that the application took from a request")
	}
}
