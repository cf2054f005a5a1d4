package observe

import (
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ignis-go/ignis/internal/memnet"
)

// running starts a server that ends with the test.
func running(t *testing.T, profiles bool) *Server {
	t.Helper()
	s, err := Start(t.Context(), Config{
		Address: "127.0.0.1:0",
		Handlers: map[string]http.Handler{
			"/metrics": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "numbers") }),
		},
		Profiles: profiles,
		ErrorLog: log.New(io.Discard, "", 0),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// ask sends a request, for the given host if it is not empty.
func ask(t *testing.T, method, url, host string) (code int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Close, r.Host = true, host
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestPaths(t *testing.T) {
	t.Parallel()
	without, with := running(t, false).URL(), running(t, true).URL()
	for _, test := range []struct {
		url, method, host string
		code              int
		text              string
	}{
		{without + "/metrics", "GET", "", 200, "numbers"},
		{without + "/metrics", "GET", "metrics.example", 200, "numbers"},
		{without + "/metrics", "HEAD", "", 200, ""},
		{without + "/metrics", "POST", "", 405, ""},
		{without + "/metrics/", "GET", "", 404, ""},
		{without + "/", "GET", "", 404, ""},
		{without + "/debug/pprof/", "GET", "", 404, ""},
		{with + "/metrics", "GET", "", 200, "numbers"},
		{with + "/debug/pprof/", "GET", "", 200, "goroutine"},
		{with + "/debug/pprof/goroutine?debug=1", "GET", "localhost:1", 200, "goroutine profile"},
		{with + "/debug/pprof/goroutine?debug=1", "GET", "[::1]:1", 200, "goroutine profile"},
		{with + "/debug/pprof/heap", "GET", "site.example", 403, "loopback"},
		{with + "/debug/pprof/heap", "POST", "", 405, ""},
		{with + "/debug/pprof/profile?seconds=61", "GET", "", 400, "0 to 60"},
		{with + "/debug/pprof/trace?seconds=NaN", "GET", "", 400, "0 to 60"},
		{with + "/debug/pprof/trace?seconds=1e3", "GET", "", 400, "0 to 60"},
		{with + "/debug/pprof/heap?seconds=-1", "GET", "", 400, "0 to 60"},
		{with + "/debug/pprof/trace?seconds=0.01", "GET", "", 200, ""},
	} {
		code, body := ask(t, test.method, test.url, test.host)
		if code != test.code || !strings.Contains(body, test.text) {
			t.Errorf("%s %s for %q: %d %.200s", test.method, test.url, test.host, code, body)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		address  string
		profiles bool
		want     string // in the error; "" for none
	}{
		{"127.0.0.1:9464", true, ""},
		{"[::1]:9464", true, ""},
		{"localhost:9464", true, ""},
		{":9464", false, ""},
		{"10.0.0.1:9464", false, ""},
		{":9464", true, "only on a loopback address"},
		{"0.0.0.0:9464", true, "only on a loopback address"},
		{"10.0.0.1:9464", true, "not on 10.0.0.1:9464"},
		{"example.com:9464", true, "only on a loopback address"},
		{"9464", false, "expected host:port"},
		{"", false, "expected host:port"},
	} {
		err := Config{Address: test.address, Profiles: test.profiles}.Check()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q, profiles %v: %v", test.address, test.profiles, err)
		}
	}
}

// At the limit, a connection waits until another one is closed.
func TestConnectionsAreLimited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		inner := memnet.Listen()
		l := newLimitedListener(inner)
		defer l.Close()
		accept := func() chan net.Conn {
			accepted := make(chan net.Conn, 1)
			go func() {
				c, _ := l.Accept()
				accepted <- c
			}()
			go func() {
				if c, err := inner.Dial(t.Context()); err == nil {
					_ = c.Close()
				}
			}()
			synctest.Wait()
			return accepted
		}
		var conns []net.Conn
		for range maxConns {
			conns = append(conns, <-accept())
		}
		last := accept()
		if len(last) > 0 {
			t.Error("too many connections were accepted")
		}
		_ = conns[3].Close()
		_ = conns[3].Close() // has no effect
		_ = (<-last).Close()
		if n := len(l.places); n != maxConns-1 {
			t.Errorf("%d places are taken, want %d", n, maxConns-1)
		}
	})
}

// A listener that waits for a place can be closed.
func TestCloseAtTheLimit(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	limited := newLimitedListener(l)
	for range maxConns {
		limited.places <- struct{}{}
	}
	ended := make(chan error, 1)
	go func() {
		_, err := limited.Accept()
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Fatalf("Accept returned %v", err)
	default:
	}
	_ = limited.Close()
	if err := <-ended; err == nil {
		t.Error("Accept returned no error after Close")
	}
	if len(limited.places) != maxConns {
		t.Error("a place was given back that was not taken")
	}
}
