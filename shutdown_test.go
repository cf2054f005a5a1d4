package ignis_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

func TestShutdown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := &heard{}
		var n *node
		n = startMem(t, ignis.Config{
			ValidateRooms: allRooms,
			OnDisconnect: func(ctx context.Context, c *ignis.Client, d ignis.Disconnect) {
				if _, ok := n.Client(c.ID); ok || len(n.ClientsOfUser(c.UserID)) > 0 {
					t.Error("still in an index")
				}
				time.Sleep(2 * time.Second) // the shutdown waits for callbacks
				if ctx.Err() != nil {
					t.Error("the context was canceled too early")
				}
				h.add(c.UserID + ": " + string(d.Cause))
			},
		})
		ann, bob, stranger := n.login("ann"), n.login("bob"), n.connect()
		ann.join(names("a"))
		stopped := make(chan error, 3)
		for range 2 {
			go func() { stopped <- n.Shutdown(context.Background()) }()
		}
		for _, p := range []*peer{ann, bob, stranger} {
			p.only(closed(1001)...)
		}
		w := httptest.NewRecorder()
		if n.ServeHTTP(w, upgradeRequest()); w.Code != http.StatusServiceUnavailable {
			t.Errorf("status %d during shutdown", w.Code)
		}
		if len(h.take()) > 0 || len(stopped) > 0 {
			t.Error("the shutdown did not wait for the callbacks")
		}
		time.Sleep(3 * time.Second)
		if err := errors.Join(<-stopped, <-stopped, <-n.ran, n.Shutdown(context.Background())); err != nil {
			t.Error(err)
		}
		got := h.take()
		if slices.Sort(got); !slices.Equal(got, []string{"ann: server shutdown", "bob: server shutdown"}) {
			t.Errorf("callbacks: %q", got)
		}
		s := n.Stats()
		if s.Clients+s.Authenticated+s.Users+s.Rooms != 0 || len(n.Clients()) != 0 || s.Disconnects["server shutdown"] != 3 {
			t.Errorf("left behind: %+v", s)
		}
		if s.RefusedStopping != 1 || !hasLine(n.log.String(), strings.Fields("INFO server has shut down clients=3")) {
			t.Errorf("%d requests were refused\n%s", s.RefusedStopping, n.log)
		}
		if err := n.SendLocal(ignis.ToEveryone(), "x", 1); !errors.Is(err, ignis.ErrNotRunning) {
			t.Errorf("SendLocal: %v", err)
		}
		n.ran <- nil
	})
}

// A connection that arrives after the clients to close have been listed is closed, too.
func TestConnectionDuringShutdown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		hold := make(chan struct{})
		n := startMem(t, ignis.Config{OnDisconnect: func(context.Context, *ignis.Client, ignis.Disconnect) { <-hold }})
		n.login("ann")
		n.stop()
		synctest.Wait()
		ours, theirs := net.Pipe()
		late := &peer{node: n, conn: ours, r: ours, lines: make(chan string, 10), quit: make(chan struct{})}
		served := make(chan struct{})
		go func() { defer close(served); ignis.Serve(n.Server, theirs) }()
		late.pump()
		late.only(closed(1001)...)
		<-served
		close(hold)
	})
}

// A connection that is being upgraded when the shutdown begins is closed like the others.
func TestUpgradeDuringShutdown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		asked, hold := make(chan struct{}), make(chan struct{})
		n := startMem(t, ignis.Config{Accept: func(*http.Request) (ignis.Accepted, error) {
			close(asked)
			<-hold
			return ignis.Accepted{}, nil
		}})
		late := make(chan *peer, 1)
		go func() { late <- n.connect() }()
		<-asked
		n.stop()
		synctest.Wait()
		close(hold)
		p := <-late
		p.only(closed(1001)...)
	})
}

func TestRunEndsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{})
		p := n.login("ann")
		n.stop()
		p.only(closed(1001)...)
		if err := <-n.ran; err != nil {
			t.Error(err)
		}
		n.ran <- nil
	})
}

// Shutdown before Run succeeds, and makes a later Run return immediately.
func TestShutdownBeforeRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, err := ignis.New(ignis.Config{Authenticate: anyone})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
		}
		if err := s.Run(context.Background()); err != nil {
			t.Error(err)
		}
		if err := s.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "before") {
			t.Errorf("the second Run: %v", err)
		}
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func TestShutdownGivesUpWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		hold := make(chan struct{})
		n := startMem(t, ignis.Config{OnDisconnect: func(context.Context, *ignis.Client, ignis.Disconnect) { <-hold }})
		n.login("ann")
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := n.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v", err)
		}
		close(hold) // the shutdown continues gracefully
		if err := <-n.ran; err != nil {
			t.Errorf("Run: %v", err)
		}
		n.ran <- nil
	})
}

// A callback that respects its context is interrupted after ShutdownTimeout. One that
// does not is reported.
func TestHangingCallbackAtShutdown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{OnDisconnect: func(ctx context.Context, _ *ignis.Client, _ ignis.Disconnect) {
			<-ctx.Done()
		}})
		n.login("ann")
		began := time.Now()
		if err := n.Shutdown(context.Background()); err != nil || <-n.ran != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("took %v, want ShutdownTimeout", took)
		}
		n.ran <- nil
	})
	for _, callback := range []string{"Authenticate", "OnMessage", "OnDisconnect"} {
		bubble(t, func(t *testing.T) {
			hold := make(chan struct{})
			in := func(name string) {
				if name == callback {
					<-hold
				}
			}
			n := startMem(t, ignis.Config{
				Authenticate: func(context.Context, ignis.Credentials) (ignis.Identity, error) {
					in("Authenticate")
					return ignis.Identity{}, nil
				},
				OnMessage:       func(context.Context, *ignis.Client, wire.Message) (any, error) { in("OnMessage"); return nil, nil },
				OnDisconnect:    func(context.Context, *ignis.Client, ignis.Disconnect) { in("OnDisconnect") },
				ShutdownTimeout: time.Second,
			})
			p := n.connect()
			p.text(authenticate)
			synctest.Wait()
			p.text(`{"event":"x"}`)
			synctest.Wait()
			n.stop()
			if err := <-n.ran; err == nil || !strings.Contains(err.Error(), "1 callbacks did not return within 1s") {
				t.Errorf("%s: Run: %v", callback, err)
			}
			close(hold)
			n.ran <- nil // leaves no goroutine in the bubble
		})
	}
}

// A Shutdown called by a callback waits for that callback, so it must not wait forever.
func TestShutdownFromACallback(t *testing.T) {
	for _, own := range []bool{true, false} {
		bubble(t, func(t *testing.T) {
			result := make(chan error, 1)
			var n *node
			n = startMem(t, ignis.Config{OnMessage: func(ctx context.Context, _ *ignis.Client, _ wire.Message) (any, error) {
				if !own {
					ctx = context.Background()
				}
				result <- n.Shutdown(ctx)
				return nil, nil
			}})
			n.login("ann").text(`{"event":"x"}`)
			if err := <-result; errors.Is(err, context.Canceled) != own {
				t.Errorf("Shutdown: %v", err)
			}
			if err := <-n.ran; (err == nil) != own {
				t.Errorf("Run: %v", err)
			}
			n.ran <- nil
		})
	}
}

func TestClientsThatDoNotAnswerTheClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{CloseTimeout: time.Hour, ShutdownTimeout: 5 * time.Second})
		p := n.raw()
		p.send(1, []byte(authenticate))
		synctest.Wait() // the client never reads, not even the connected event
		began := time.Now()
		n.stop()
		if err := <-n.ran; err != nil || time.Since(began) > 6*time.Second {
			t.Errorf("Run: %v after %v", err, time.Since(began))
		}
		n.ran <- nil
	})
}

// The errors for a service that uses the server too early, too late, or a nil server.
func TestNotRunning(t *testing.T) {
	bubble(t, func(t *testing.T) {
		idle, err := ignis.New(ignis.Config{Authenticate: anyone})
		if err != nil {
			t.Fatal(err)
		}
		over := startMem(t, ignis.Config{})
		if err := over.Shutdown(context.Background()); err != nil {
			t.Fatal(err)
		}
		for name, s := range map[string]*ignis.Server{"nil": nil, "not run": idle, "shut down": over.Server} {
			for call, err := range map[string]error{
				"Send":                  s.Send(context.Background(), ignis.ToEveryone(), "x", 1),
				"SendLocal to a client": s.SendLocal(ignis.ToClient("a"), "x", 1),
				"SendLocal to a user":   s.SendLocal(ignis.ToUser("a"), "x", 1),
				"SendLocal to a room":   s.SendLocal(ignis.ToRoom("a"), "x", 1),
				"SendLocal to everyone": s.SendLocal(ignis.ToEveryone(), "x", 1),
				"Join":                  s.Join("a", "b"),
				"Leave":                 s.Leave("a", "b"),
				"Disconnect":            s.Disconnect("a", 1000, ""),
				"Hold":                  held(s),
			} {
				if !errors.Is(err, ignis.ErrNotRunning) {
					t.Errorf("%s, %s: %v", name, call, err)
				}
			}
			w := httptest.NewRecorder()
			if s.ServeHTTP(w, upgradeRequest()); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
				t.Errorf("%s: status %d", name, w.Code)
			}
			_, found := s.Client("a")
			if found || len(s.Clients())+len(s.ClientsOfUser("a"))+len(s.ClientsInRoom("a")) > 0 ||
				s.Stats().Clients != 0 || s.Health().Ready || (s.ID() == "") != (s == nil) {
				t.Errorf("%s: a method reports a client or a running server", name)
			}
		}
		var none *ignis.Server
		if err := errors.Join(none.Run(context.Background())); !errors.Is(err, ignis.ErrNotRunning) {
			t.Errorf("Run: %v", err)
		}
		if err := none.Shutdown(context.Background()); !errors.Is(err, ignis.ErrNotRunning) {
			t.Errorf("Shutdown: %v", err)
		}
		if none.Ready() != nil {
			t.Error("a nil server may become ready")
		}
		if msg := ignis.ErrNotRunning.Error(); !strings.Contains(msg, "Run") {
			t.Errorf("the error does not say what to do: %s", msg)
		}
	})
}
