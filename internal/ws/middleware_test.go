package ws

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// The handshake works through various kinds of middleware, or fails with an error.
func TestUpgradeThroughMiddleware(t *testing.T) {
	tests := []struct {
		name string
		wrap func(http.ResponseWriter) http.ResponseWriter
		want int // 0 if nothing is answered
	}{
		{"without middleware", func(w http.ResponseWriter) http.ResponseWriter { return w }, 101},
		{"that can be unwrapped", func(w http.ResponseWriter) http.ResponseWriter { return &recorder{&recorder{w, 0}, 0} }, 101},
		{"that hijacks", func(w http.ResponseWriter) http.ResponseWriter { return hijacker{w, nil} }, 101},
		{"that delays the status until the body", func(w http.ResponseWriter) http.ResponseWriter { return &late{hijacker: hijacker{w, nil}} }, 101},
		{"that buffers status and body", func(w http.ResponseWriter) http.ResponseWriter { return &buffering{hijacker: hijacker{w, nil}} }, 101},
		{"that leaves a deadline", func(w http.ResponseWriter) http.ResponseWriter {
			return hijacker{w, func(nc net.Conn) error { return nc.SetDeadline(time.Unix(1, 0)) }}
		}, 101},
		{"that hides the connection", func(w http.ResponseWriter) http.ResponseWriter { return struct{ http.ResponseWriter }{w} }, 500},
		{"that hides it below other middleware", func(w http.ResponseWriter) http.ResponseWriter {
			return &recorder{struct{ http.ResponseWriter }{w}, 0}
		}, 500},
		{"whose Hijack fails", func(w http.ResponseWriter) http.ResponseWriter {
			return hijacker{struct{ http.ResponseWriter }{w}, nil}
		}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			errs := make(chan error, 1)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				nc, early, _, err := Upgrade(tt.wrap(w), r, Terms{})
				errs <- err
				switch {
				case err == nil:
					_, _ = nc.Write(early)
					_, _ = io.CopyN(nc, nc, int64(len("early, late")-len(early)))
					_ = nc.Close()
				case tt.want == 0:
					panic(http.ErrAbortHandler)
				}
			}))
			defer s.Close()
			nc, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = nc.Close() }()
			_, _ = io.WriteString(nc, with("Sec-WebSocket-Protocol: v1")+"early, late")
			r := bufio.NewReader(nc)
			expectStatus(t, wait(t, errs), tt.want)
			if tt.want == 0 {
				if b, _ := io.ReadAll(r); len(b) > 0 {
					t.Errorf("the client got %q", b)
				}
				return
			}
			res, err := http.ReadResponse(r, nil)
			if err != nil || res.StatusCode != tt.want {
				t.Fatalf("got %+v, %v", res, err)
			}
			if tt.want == 101 {
				rest, _ := io.ReadAll(r)
				if p := res.Header.Get("Sec-WebSocket-Protocol"); p != "v1" || len(res.Header) != 4 || string(rest) != "early, late" {
					t.Errorf("got %v and %q", res.Header, rest)
				}
			}
			_ = res.Body.Close()
		})
	}
	rec := httptest.NewRecorder() // has no underlying connection
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(handshake)))
	if err != nil {
		t.Fatal(err)
	}
	_, _, _, err = Upgrade(rec, r, Terms{})
	expectStatus(t, err, 500)
	// The response does not say why, but the error does.
	if rec.Code != 500 || !strings.Contains(fmt.Sprint(err), "*httptest.ResponseRecorder") || rec.Body.String() != "The server cannot open WebSocket connections.\n" {
		t.Errorf("answered %d %s, error %v", rec.Code, rec.Body, err)
	}
}

// hijacker is middleware that has its own Hijack and cannot be unwrapped.
type hijacker struct {
	http.ResponseWriter
	then func(net.Conn) error
}

func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	inner, ok := h.ResponseWriter.(http.Hijacker)
	if !ok {
		return nil, nil, errors.New("there is no connection")
	}
	nc, rw, err := inner.Hijack()
	if err == nil && h.then != nil {
		err = h.then(nc)
	}
	return nc, rw, err
}

// late is middleware that passes the status on when the body is written, as gin does.
type late struct {
	hijacker
	status int
}

func (l *late) WriteHeader(status int) { l.status = status }
func (l *late) Write(b []byte) (int, error) {
	if l.status != 0 {
		l.hijacker.WriteHeader(l.status)
		l.status = 0
	}
	return l.hijacker.Write(b)
}

// buffering is middleware that waits for more of the body before it decides whether to
// compress it.
type buffering struct {
	hijacker
	body []byte
}

func (b *buffering) WriteHeader(int) { b.Header().Set("Content-Encoding", "gzip") }
func (b *buffering) Write(p []byte) (int, error) {
	b.Header().Set("Content-Type", http.DetectContentType(p))
	b.body = append(b.body, p...)
	return len(p), nil
}
