package webhook_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis/internal/logtest"
	"github.com/ignis-go/ignis/webhook"
)

// The handler answers what is not verified, and calls next once for each request that the
// sender repeats until it succeeds.
func TestHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &logtest.Log{}
		v := newVerifier(t, webhook.VerifierConfig{MaxBody: 10, Logger: log.Logger()})
		status, called := 500, 0
		h := v.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			called++
			if body, err := io.ReadAll(r.Body); err != nil || string(body) != "x" || r.ContentLength != 1 {
				t.Errorf("%q of %d bytes, %v", body, r.ContentLength, err)
			}
			switch status {
			case 0:
			case 1:
				panic(http.ErrAbortHandler)
			case 2:
				w.WriteHeader(http.StatusEarlyHints)
				_, _ = io.WriteString(w, "done")
			default:
				w.WriteHeader(status)
			}
		}))
		send := func(method, body string, header http.Header, wantStatus, wantCalls int) {
			t.Helper()
			r := httptest.NewRequest(method, "/", strings.NewReader(body))
			for name, values := range header {
				r.Header[name] = values
			}
			called = 0
			w := httptest.NewRecorder()
			func() {
				defer func() { _ = recover() }()
				h.ServeHTTP(w, r)
			}()
			if w.Code != wantStatus || called != wantCalls {
				t.Errorf("answered with %d after %d calls, want %d after %d", w.Code, called, wantStatus, wantCalls)
			}
			time.Sleep(time.Second)
		}
		send("GET", "", nil, 405, 0)
		send("POST", "x", nil, 400, 0)
		send("POST", "x", signedAt("a", 0, "y"), 400, 0)
		send("POST", "x", signedAt("a", -time.Hour, "x"), 400, 0)
		send("POST", strings.Repeat("x", 11), signedAt("a", 0, strings.Repeat("x", 11)), 413, 0)
		if got := log.Count("webhook request refused"); got != 4 {
			t.Errorf("%d lines in the log: %v", got, log)
		}
		h1 := signedAt("a", 0, "x")
		send("POST", "x", h1, 500, 1)
		send("POST", "x", h1, 400, 0) // replayed
		status = 1
		send("POST", "x", signedAt("a", 0, "x"), 200, 1) // the recorder knows nothing of the panic
		status = 404
		send("POST", "x", signedAt("a", 0, "x"), 404, 1)
		status = 2
		send("POST", "x", signedAt("a", 0, "x"), 103, 1) // the recorder takes it for the final status
		send("POST", "x", signedAt("a", 0, "x"), 200, 0)
		status = 500
		send("POST", "x", signedAt("a", 0, "x"), 200, 0)
		status = 0
		send("POST", "x", signedAt("b", 0, "x"), 200, 1)
		send("POST", "x", signedAt("b", 0, "x"), 200, 0)
		want := webhook.VerifierStats{Accepted: 5, Repeated: 3, Headers: 1, Signature: 1, Timestamp: 1, TooLarge: 1, Replayed: 1}
		if got := v.Stats(); got != want {
			t.Errorf("counted %+v, want %+v", got, want)
		}
	})
}

// A body that is announced but not received completely, on a real socket.
func TestTruncatedBody(t *testing.T) {
	log := &logtest.Log{}
	v := newVerifier(t, webhook.VerifierConfig{Logger: log.Logger()})
	s := httptest.NewServer(v.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("called") })))
	t.Cleanup(s.Close)
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n")
	_ = signedAt("a", 0, "abcd").Write(c)
	_, _ = io.WriteString(c, "\r\nabc")
	_ = c.(*net.TCPConn).CloseWrite()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if n := v.Stats(); resp.StatusCode != 400 || n.Incomplete != 1 || n.Accepted != 0 || !log.Has("the body is incomplete") {
		t.Errorf("answered with %d, counted %+v, logged %v", resp.StatusCode, n, log)
	}
	if err := v.Verify(signedAt("a", 0, "abcd"), []byte("abcd")); err != nil {
		t.Errorf("the complete request afterwards: %v", err)
	}
}

// While next handles a request, it is not called for the same one again.
func TestHandlerAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVerifier(t, webhook.VerifierConfig{})
		hold := make(chan struct{})
		var mu sync.Mutex
		called := 0
		h := v.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			mu.Lock()
			called++
			mu.Unlock()
			<-hold
		}))
		send := func() int {
			r := httptest.NewRequest("POST", "/", strings.NewReader("x"))
			r.Header = signedAt("a", 0, "x")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w.Code
		}
		var first sync.WaitGroup
		first.Go(func() {
			if got := send(); got != 200 {
				t.Errorf("the first: %d", got)
			}
		})
		synctest.Wait()
		for range 3 {
			time.Sleep(time.Second)
			if got := send(); got != 409 {
				t.Errorf("while it runs: %d", got)
			}
		}
		close(hold)
		first.Wait()
		time.Sleep(time.Second)
		if got := send(); got != 200 || called != 1 {
			t.Errorf("afterwards: %d, after %d calls", got, called)
		}
	})
}
