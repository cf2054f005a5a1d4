package flood

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// startServer starts a server that rejects only long tokens, such as the forged ones, and
// relays messages to the room that they name. It returns the server's address.
func startServer(t *testing.T) string {
	t.Helper()
	var srv *ignis.Server
	srv, err := ignis.New(ignis.Config{
		Compression: true,
		Authenticate: func(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
			if len(c.Token) > 1000 {
				return ignis.Identity{}, ignis.ErrUnauthenticated
			}
			return ignis.Identity{}, nil
		},
		OnMessage: func(ctx context.Context, _ *ignis.Client, m wire.Message) (any, error) {
			var data struct {
				Room string `json:"room"`
			}
			if err := m.Decode(&data); err != nil {
				return nil, err
			}
			return nil, srv.Send(ctx, ignis.ToRoom(data.Room), m.Event, m.Data)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	<-srv.Ready()
	hs := httptest.NewServer(http.Handler(srv))
	t.Cleanup(func() {
		hs.Close()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return hs.Listener.Addr().String()
}

// Every kind of flood reaches the server, and the probe is answered meanwhile.
func TestKinds(t *testing.T) {
	for _, k := range append(Kinds(), Attacks()...) {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			addr := startServer(t)
			f, err := New(addr, "", k.Name, 3)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Connect(); err != nil {
				t.Fatal(err)
			}
			p, err := NewProbe(Target{Addr: addr}, 2)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			ctx, stop := context.WithCancel(t.Context())
			f.Start(ctx)
			s, err := p.Run(t.Context(), "flood", interval)
			if err != nil {
				t.Fatal(err)
			}
			awaitTaken(t, f)
			stop()
			if s.Count != 2 || s.Lost != 0 || s.Closed != 0 || s.P99 <= 0 || s.EntryFailed != 0 || s.EntryMax <= 0 {
				t.Errorf("the probe got %+v", s)
			}
			r, err := f.End()
			if err != nil {
				t.Fatal(err)
			}
			if r.Delivered <= 0 || r.Offered < 3 || r.Bytes <= 0 || r.Failed != 0 {
				t.Errorf("the flood: %+v", r)
			}
			if r.Opened+r.Refused < 3 {
				t.Errorf("%d connections of 3 strangers, %d refused", r.Opened, r.Refused)
			}
		})
	}
}

// awaitTaken waits until every stranger has connected and the server has read
// something.
func awaitTaken(t *testing.T, f *Flood) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		written := f.written.Load() // before waiting, which counts what is written later
		waiting, err := queued(f.addr)
		if err != nil {
			t.Fatal(err)
		}
		taken := f.act.burst == nil || written > waiting
		if taken && f.opened.Load()+f.refused.Load() >= int64(len(f.strangers)) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d connections, %d bytes written, %d not read", f.opened.Load(), f.written.Load(), waiting)
		}
	}
}

// Strangers whose connections the server closes are counted and reconnect.
func TestClosedStrangersComeBack(t *testing.T) {
	addr := startServer(t)
	f, err := New(addr, "", "churn", 2)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	f.Start(ctx)
	for deadline := time.Now().Add(time.Minute); f.closed.Load() < 5 && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	stop()
	r, err := f.End()
	if err != nil {
		t.Fatal(err)
	}
	if r.Opened < 5 || r.Closed < 5 {
		t.Errorf("%d connections, %d closed", r.Opened, r.Closed)
	}
}

// With a secret, the probe measures the answers to a second authentication.
func TestProbeWithTokens(t *testing.T) {
	p, err := NewProbe(Target{Addr: startServer(t), Secret: "a secret that this server ignores"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	s, err := p.Run(t.Context(), "calm", interval)
	if err != nil {
		t.Fatal(err)
	}
	if s.Count != 1 || s.Lost != 0 {
		t.Errorf("got %+v", s)
	}
}

// An unanswered message is counted with the time for which it has waited, and a late
// answer to it is not mistaken for the answer to the next message.
func TestUnanswered(t *testing.T) {
	long := time.Now().Add(-time.Minute)
	c := &client{asked: []time.Time{long}}
	var w window
	if lost, _ := c.end(&w.trips); lost != 1 || w.trips.Max() < time.Minute {
		t.Errorf("lost %d, longest %v", lost, w.trips.Max())
	}
	c.asked = append(c.asked, time.Now())
	c.answered(time.Now()) // the first
	if c.waiting() != 1 {
		t.Error("a late answer was mistaken for the answer to the next message")
	}
	c.answered(time.Now())
	if c.waiting() != 0 || len(c.trips) != 1 {
		t.Errorf("%d wait, %d round trips", c.waiting(), len(c.trips))
	}
}

func TestUnknownKind(t *testing.T) {
	if _, err := New("127.0.0.1:1", "", "tides", 1); err == nil {
		t.Error("no error")
	}
}
