package httpapi_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/bustest"
	"github.com/ignis-go/ignis/httpapi"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/wire"
)

// A body may be as large as the limit, and not larger, whether its length is declared or not.
func TestBodyLimit(t *testing.T) {
	n := start(t, setup{api: httpapi.Config{MaxBody: 1000}})
	body := func(size int) string { return hello + strings.Repeat(" ", size-len(hello)) }
	n.post("/v1/publish", body(1000)).ok(`{"localRecipients":0}`)
	n.post("/v1/publish", body(1001)).problem(413, "too-large")
	n.post("/v1/join", body(1001)).problem(413, "too-large")
	chunked := func(size int) answer {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.url+"/v1/publish", io.MultiReader(strings.NewReader(body(size))))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+n.keys["publish"])
		return n.send(r)
	}
	chunked(1000).ok(`{"localRecipients":0}`)
	chunked(1001).problem(413, "too-large")
	b := start(t, setup{})
	b.post("/v1/join", strings.Repeat(" ", 64<<10+1)).problem(413, "too-large")
	b.post("/v1/publish", hello+strings.Repeat(" ", 64<<10+1)).ok(`{"localRecipients":0}`)
	for _, encoding := range []string{"gzip", "br", "deflate, gzip"} {
		n.post("/v1/publish", hello, "Content-Encoding", encoding).problem(415, "unsupported-media-type")
	}
	n.post("/v1/publish", hello, "Content-Encoding", "identity", "Content-Type", "text/plain").ok(`{"localRecipients":0}`)
	n.post("/v1/join", `{"to":{"user":"ann"},"rooms":["a"]}`, "Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html").ok(`{"localClients":0}`)
}

// raw sends a part of a request and returns the connection.
func (n *node) raw(text string) net.Conn {
	n.t.Helper()
	u, err := url.Parse(n.url)
	if err != nil {
		n.t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		n.t.Fatal(err)
	}
	return conn
}

func (n *node) answer(conn net.Conn) answer {
	n.t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		n.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return answer{n.t, res.StatusCode, res.Header, string(text)}
}

// A body that does not arrive in time, or not completely, is refused.
func TestSlowBody(t *testing.T) {
	n := start(t, setup{api: httpapi.Config{BodyTimeout: 50 * time.Millisecond}})
	begin := func(n *node) net.Conn {
		return n.raw("POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + n.keys["publish"] + "\r\nContent-Length: 1000\r\n\r\n" + hello)
	}
	n.answer(begin(n)).problem(408, "body-timeout")
	n = start(t, setup{}) // a timeout that a busy machine does not reach
	conn := begin(n)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	n.answer(conn).problem(400, "malformed")
	// The time does not go on while the operation is executed.
	if got := n.api.Stats(); got.Serving != 0 {
		t.Errorf("stats %+v", got)
	}
}

// A client that has no valid key cannot make the server wait for a body.
func TestNoBodyWithoutKey(t *testing.T) {
	n := start(t, setup{api: httpapi.Config{BodyTimeout: 50 * time.Millisecond}})
	n.answer(n.raw("POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer publish.wrong\r\nContent-Length: 1000\r\n\r\n")).problem(401, "unauthorized")
}

// A body that nothing reads does not have to arrive, whether a key is needed or not.
func TestUnwantedBody(t *testing.T) {
	n := start(t, setup{api: httpapi.Config{BodyTimeout: 50 * time.Millisecond}})
	for _, path := range []string{"/v1/counts", "/v1/clients?limit=0", "/openapi.json", "/v2"} {
		conn := n.raw("GET /api" + path + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + n.keys["all"] + "\r\nContent-Length: 1000\r\n\r\n")
		if err := conn.SetReadDeadline(time.Now().Add(deadline)); err != nil {
			t.Fatal(err)
		}
		if a := n.answer(conn); a.header.Get("X-Request-Id") == "" {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
}

// The rate of a key is limited, in requests and messages.
func TestRateLimit(t *testing.T) {
	n := start(t, setup{keys: []httpapi.Key{
		{ID: "slow", Scopes: scopes["all"], Rate: 0.01, Burst: 3},
		{ID: "fast", Scopes: scopes["all"], Rate: -1},
	}})
	for range 2 {
		n.do("slow", "POST", "/v1/publish", hello).ok(`{"localRecipients":0}`)
	}
	// A batch is accepted as long as there is a token, and delays later requests.
	n.do("slow", "POST", "/v1/publish/batch", `{"messages":[`+strings.Repeat(hello+",", 9)+hello+`]}`)
	a := n.do("slow", "GET", "/v1/counts", "")
	a.problem(429, "rate-limited")
	var seconds int
	if _, err := fmt.Sscan(a.header.Get("Retry-After"), &seconds); err != nil || seconds < 900 || seconds > 1000 {
		t.Errorf("Retry-After %q, want the time for 10 tokens", a.header.Get("Retry-After"))
	}
	for range 100 {
		n.do("fast", "POST", "/v1/publish", hello).ok(`{"localRecipients":0}`)
	}
	if s := n.api.Stats(); s.RateLimited != 1 || s.Messages != 112 {
		t.Errorf("stats %+v", s)
	}
}

// hanging is a bus whose SendCommands waits until its context is done or it is let go.
type hanging struct {
	ignis.Bus
	calls chan chan struct{}
}

func (b hanging) SendCommands(ctx context.Context, _ ...wire.EncodedCommand) error {
	done := make(chan struct{})
	b.calls <- done
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (b hanging) ReceiveCommands(ctx context.Context, stored, sent func(...[]byte)) error {
	return b.Bus.(ignis.CommandBus).ReceiveCommands(ctx, stored, sent)
}

// More requests than MaxConcurrent are refused, not queued.
func TestConcurrentRequests(t *testing.T) {
	b := hanging{bustest.NewCluster(1)[0], make(chan chan struct{})}
	n := start(t, setup{bus: b, api: httpapi.Config{MaxConcurrent: 2, CommandTimeout: time.Hour, IdempotencyTTL: 2 * time.Hour}})
	answers := make(chan answer)
	var calls []chan struct{}
	for range 2 {
		go func() { answers <- n.post("/v1/disconnect", `{"to":{"user":"ann"}}`) }()
		calls = append(calls, <-b.calls)
	}
	a := n.post("/v1/publish", hello)
	a.problem(503, "overloaded")
	if s := n.api.Stats(); a.header.Get("Retry-After") != "1" || s.Overloaded != 1 || s.Serving != 2 {
		t.Errorf("headers %v, stats %+v", a.header, s)
	}
	close(calls[0])
	(<-answers).ok(`{"localClients":0}`)
	n.post("/v1/publish", hello).ok(`{"localRecipients":0}`)
	close(calls[1])
	(<-answers).ok(`{"localClients":0}`)
}

// More than four times as many requests may not wait for their bodies.
func TestConcurrentBodies(t *testing.T) {
	n := start(t, setup{api: httpapi.Config{MaxConcurrent: 1}})
	head := "POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + n.keys["publish"] + "\r\nContent-Length: " + fmt.Sprint(len(hello)) + "\r\n\r\n"
	var conns []net.Conn
	for range 4 {
		conns = append(conns, n.raw(head))
	}
	redistest.Wait(t, "the bodies to be read", func() bool { return httpapi.Reading(n.api) == 4 })
	n.do("publish", "POST", "/v1/publish", hello).problem(503, "overloaded")
	n.get("/v1/counts").decode(new(any)) // has no body
	for _, conn := range conns {
		if _, err := io.WriteString(conn, hello); err != nil {
			t.Fatal(err)
		}
		n.answer(conn).ok(`{"localRecipients":0}`)
	}
}

// Bodies that together are larger than MaxBuffered are not read.
func TestBufferedBodies(t *testing.T) {
	const size = 1000
	n := start(t, setup{api: httpapi.Config{MaxBody: size, MaxBuffered: 3*size - 1}})
	request := "POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + n.keys["publish"] + "\r\n"
	body := hello + strings.Repeat(" ", size-len(hello))
	known := n.raw(request + "Content-Length: " + fmt.Sprint(size) + "\r\n\r\n")
	unknown := n.raw(request + "Transfer-Encoding: chunked\r\n\r\n") // may become as large
	redistest.Wait(t, "the bodies to be read", func() bool { return httpapi.Reading(n.api) == 2 })
	n.do("publish", "POST", "/v1/publish", body).problem(503, "overloaded")
	n.do("publish", "POST", "/v1/publish", hello).ok(`{"localRecipients":0}`) // there is room for a small one
	if _, err := io.WriteString(known, body); err != nil {
		t.Fatal(err)
	}
	n.answer(known).ok(`{"localRecipients":0}`)
	n.do("publish", "POST", "/v1/publish", body).ok(`{"localRecipients":0}`)
	if _, err := fmt.Fprintf(unknown, "%x\r\n%s\r\n0\r\n\r\n", len(hello), hello); err != nil {
		t.Fatal(err)
	}
	n.answer(unknown).ok(`{"localRecipients":0}`)
}

// A command does not wait for the bus for longer than CommandTimeout.
func TestCommandTimeout(t *testing.T) {
	b := hanging{bustest.NewCluster(1)[0], make(chan chan struct{}, 1)}
	n := start(t, setup{bus: b, api: httpapi.Config{CommandTimeout: time.Millisecond}})
	ann := n.dial("ann")
	p := n.post("/v1/disconnect", `{"to":{"user":"ann"}}`).problem(503, "bus-unavailable")
	if p.LocalClients == nil || *p.LocalClients != 1 {
		t.Errorf("problem %+v", p)
	}
	ann.ExpectClose(4006)
}

// A client that disconnects does not interrupt a command of which a part is done.
func TestClientDisconnectsDuringACommand(t *testing.T) {
	b := hanging{bustest.NewCluster(1)[0], make(chan chan struct{})}
	infos := make(chan httpapi.RequestInfo, 1)
	gone := make(chan struct{})
	n := start(t, setup{bus: b, api: httpapi.Config{CommandTimeout: time.Hour, IdempotencyTTL: 2 * time.Hour, OnRequest: func(i httpapi.RequestInfo) { infos <- i }, RemoteAddr: func(r *http.Request) string {
		context.AfterFunc(r.Context(), func() { close(gone) })
		return r.RemoteAddr
	}}})
	n.do("", "POST", "/v1/join", "", "Authorization", "Bearer x.y").problem(401, "unauthorized") // from now on, RemoteAddr is called
	<-infos
	<-gone
	gone = make(chan struct{})
	body := `{"to":{"user":"ann"},"rooms":["a"]}`
	conn := n.raw("POST /api/v1/join HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + n.keys["all"] + fmt.Sprintf("\r\nContent-Length: %d\r\n\r\n", len(body)) + body)
	call := <-b.calls
	_ = conn.Close()
	<-gone // the server has noticed it
	close(call)
	if i := <-infos; i.Status != 200 {
		t.Errorf("the command was interrupted: %+v", i)
	}
}

// The ID of a request is accepted if it is well-formed, and made otherwise. It is in the answer,
// the problem and the log.
func TestRequestIDs(t *testing.T) {
	n := start(t, setup{})
	for _, id := range []string{"a", "7f3c-1.2_3:4/5+6=", strings.Repeat("x", 128)} {
		if a := n.post("/v1/join", `{"to":{"user":"ann"},"rooms":["a"]}`, "X-Request-Id", id); a.header.Get("X-Request-Id") != id {
			t.Errorf("%q became %q", id, a.header.Get("X-Request-Id"))
		}
		if !strings.Contains(n.log.String(), "request_id="+id) && !strings.Contains(n.log.String(), fmt.Sprintf("request_id=%q", id)) {
			t.Errorf("%q is not in the log", id)
		}
		if p := n.post("/v1/publish", "{", "X-Request-Id", id).problem(400, "malformed"); p.RequestID != id {
			t.Errorf("%q became %q", id, p.RequestID)
		}
		if p := n.post("/v1/join", "{", "X-Request-Id", id).problem(400, "malformed"); p.RequestID != id {
			t.Errorf("%q became %q", id, p.RequestID)
		}
	}
	seen := make(map[string]bool)
	for _, id := range []string{"", " ", "a b", "é", `"`, "<script>", strings.Repeat("x", 129), "a\tb", "a,b", "a;b"} {
		a := n.post("/v1/publish", hello, "X-Request-Id", id)
		got := a.header.Get("X-Request-Id")
		if got == id || got == "" || seen[got] || strings.ContainsAny(got, " <\"") {
			t.Errorf("%q became %q", id, got)
		}
		seen[got] = true
	}
	if a := n.post("/v1/publish", hello, "X-Request-Id", "a", "X-Request-Id", "b"); a.header.Get("X-Request-Id") == "a" {
		t.Error("the first of two IDs is accepted")
	}
}

// Paths and methods that do not exist are problems, too.
func TestUnknownPaths(t *testing.T) {
	n := start(t, setup{})
	for _, path := range []string{"/", "/v1", "/v1/", "/v1/publish/", "/v1/publishx", "/v2/publish", "/v1/clients/a/b", "/v1/clients/", "/v1/../v1/publish", "//v1/publish", "/V1/publish"} {
		n.post(path, hello).problem(404, "not-found")
	}
	a := n.do("all", "DELETE", "/v1/publish", "")
	a.problem(405, "method-not-allowed")
	if a.header.Get("Allow") != "POST" {
		t.Errorf("headers %v", a.header)
	}
	n.do("all", "OPTIONS", "/v1/clients/x", "").problem(405, "method-not-allowed")
	if a := n.do("all", "HEAD", "/v1/counts", ""); a.status != 200 || a.body != "" {
		t.Errorf("HEAD: %d %s", a.status, a.body)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimSuffix(n.url, "/api")+"/v1/counts", nil)
	if err != nil {
		t.Fatal(err)
	}
	n.send(r).problem(404, "not-found")
}

// OnRequest is told about each request of an operation.
func TestOnRequest(t *testing.T) {
	infos := make(chan httpapi.RequestInfo, 10)
	n := start(t, setup{api: httpapi.Config{OnRequest: func(i httpapi.RequestInfo) {
		i.Duration = min(i.Duration, 1)
		infos <- i
	}}})
	n.post("/v1/publish", `{"to":[{"user":"a"},{"user":"b"}],"event":"x"}`, "Idempotency-Key", "1")
	n.post("/v1/publish", `{"to":[{"user":"a"},{"user":"b"}],"event":"x"}`, "Idempotency-Key", "1")
	n.do("", "GET", "/v1/counts", "")
	n.post("/v1/join", "{")
	n.get("/docs")
	for _, want := range []httpapi.RequestInfo{
		{Operation: "publish", KeyID: "all", Status: 200, Duration: 1, Messages: 2},
		{Operation: "publish", KeyID: "all", Status: 200, Duration: 1, Replayed: true},
		{Operation: "count", Status: 401, Duration: 1},
		{Operation: "join", KeyID: "all", Status: 400, Duration: 1},
	} {
		if got := <-infos; got != want {
			t.Errorf("OnRequest(%+v), want %+v", got, want)
		}
	}
	if len(infos) > 0 {
		t.Errorf("OnRequest(%+v) for the documentation", <-infos)
	}
}
