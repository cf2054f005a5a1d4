package publish

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/httpapi"
	"github.com/ignis-go/ignis/wire"
)

const testKey = "test.0123456789abcdef" // protects nothing

// newServer starts an Ignis server. api wraps its HTTP API.
func newServer(t *testing.T, api func(http.Handler) http.Handler) (*ignis.Server, Config) {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	srv, err := ignis.New(ignis.Config{
		Authenticate: func(context.Context, ignis.Credentials) (ignis.Identity, error) { return ignis.Identity{}, nil },
		Logger:       quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	<-srv.Ready()
	h, err := httpapi.New(httpapi.Config{
		Server: srv, Prefix: "/api", Logger: quiet,
		Keys: []httpapi.Key{{ID: "test", Hashes: []string{httpapi.HashKey(testKey)}, Scopes: []httpapi.Scope{httpapi.ScopePublish}, Rate: -1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(wire.DefaultPath, srv)
	mux.Handle("/api/", api(h))
	hs := httptest.NewServer(mux)
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		hs.Close()
	})
	return srv, Config{Addr: strings.TrimPrefix(hs.URL, "http://"), Key: testKey, Senders: 3, Size: 128, Window: 64}
}

func unchanged(h http.Handler) http.Handler { return h }

// Every message is accepted and received, one by one and in batches.
func TestPublish(t *testing.T) {
	var requests atomic.Int64
	_, c := newServer(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			h.ServeHTTP(w, r)
		})
	})
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, batch := range []int{1, 10, 100} { // the last one exceeds the window
		before := requests.Load()
		s, err := p.Run(batch, 100*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		if s.Lost+s.Reordered+s.Repeated != 0 || s.Requests == 0 || s.Requests != requests.Load()-before || s.Messages != s.Requests*int64(batch) || s.P99 <= 0 {
			t.Errorf("batches of %d: %+v, but the server has had %d requests", batch, s, requests.Load()-before)
		}
	}
}

func TestSenders(t *testing.T) {
	for _, n := range []int{-1, 0, maxSenders + 1} {
		if _, err := New(Config{Senders: n}); err == nil || !strings.Contains(err.Error(), "senders: want 1 to 100") {
			t.Errorf("%d senders: %v", n, err)
		}
	}
}

// The data of a message has the configured size.
func TestSize(t *testing.T) {
	for _, centrifugo := range []bool{false, true} {
		s := &sender{cfg: Config{Size: 128, Centrifugo: centrifugo}, nr: 7}
		for _, batch := range []int{1, 3} {
			q := s.request(batch)
			q.setNumbers(8)
			text := string(q.text)
			for _, number := range []string{"0000000008", "0000000009", "0000000010"}[:batch] {
				_, rest, _ := strings.Cut(text, `"data":`)
				data, _, ok := strings.Cut(rest, "}")
				if data += "}"; !ok || len(data) != 128 || !strings.HasPrefix(data, `{"sender":"07","number":"`+number+`",`) {
					t.Errorf("the data has %d bytes: %s", len(data), data)
				}
				text = rest
			}
		}
	}
}

// A request that the server refuses ends the run.
func TestRefusedRequest(t *testing.T) {
	_, c := newServer(t, unchanged)
	c.Key = "test.wrong"
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Run(1, time.Minute); err == nil || !strings.Contains(err.Error(), "status 401") {
		t.Errorf("got %v", err)
	}
}

// The end of the subscriber's connection ends the run.
func TestSubscriberIsClosed(t *testing.T) {
	srv, c := newServer(t, unchanged)
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, client := range srv.Clients() {
		if err := srv.Disconnect(client.ID, wire.CloseDisconnected, "bye"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.Run(1, time.Minute); err == nil || !strings.Contains(err.Error(), "the subscriber's connection has ended") {
		t.Errorf("got %v", err)
	}
}

// Centrifugo reports errors with the status 200.
func TestErrorWithStatus200(t *testing.T) {
	_, c := newServer(t, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"error":{"code":102,"message":"unknown channel"}}`))
		})
	})
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Run(1, time.Minute); err == nil || !strings.Contains(err.Error(), "unknown channel") {
		t.Errorf("got %v", err)
	}
}

// Messages that are late, lost or repeated are counted, and do not affect the next run.
func TestFlow(t *testing.T) {
	f := newFlow(2, 100)
	run := func(numbers ...uint32) (s Sample) {
		f.begin()
		for sender := range f.streams {
			if _, err := f.reserve(sender, 5); err != nil {
				t.Fatal(err)
			}
		}
		f.mu.Lock()
		for _, n := range numbers {
			f.received(1, n)
		}
		f.mu.Unlock()
		f.stop(errLate)
		if err := f.finish(&s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s := run(0, 3, 1, 1, 99); s != (Sample{Lost: 7, Reordered: 1, Repeated: 2}) {
		t.Errorf("got %+v", s)
	}
	if s := run(2, 5, 6, 7, 8, 9); s != (Sample{Lost: 5, Repeated: 1}) {
		t.Errorf("got %+v", s)
	}
}

// A frame of Centrifugo may contain several messages, one per line.
func TestSeveralMessagesInFrame(t *testing.T) {
	f := newFlow(2, 100)
	if _, err := f.reserve(1, 3); err != nil {
		t.Fatal(err)
	}
	var frame []byte
	for number := range uint32(3) {
		q := (&sender{cfg: Config{Size: 128, Centrifugo: true}, nr: 1}).request(1)
		q.setNumbers(number)
		_, body, _ := strings.Cut(string(q.text), "\r\n\r\n")
		frame = append(frame, `{"push":{"channel":"ws-default","pub":`+body+"}}\n"...)
	}
	(&subscriber{flow: f}).count(frame)
	f.stop(errLate) // do not wait for others
	var s Sample
	if err := f.finish(&s); err != nil || s != (Sample{}) {
		t.Errorf("got %+v, %v", s, err)
	}
}
