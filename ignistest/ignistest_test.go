package ignistest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/ignistest"
	"github.com/ignis-go/ignis/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inBothTimes runs a test in fake time and in real time.
func inBothTimes(t *testing.T, test func(t *testing.T)) {
	t.Run("fake", func(t *testing.T) { synctest.Test(t, test) })
	t.Run("real", test)
}

func TestExample(t *testing.T) { inBothTimes(t, testNews) }

func TestClient(t *testing.T) {
	inBothTimes(t, func(t *testing.T) {
		cfg := config
		cfg.OnMessage = func(_ context.Context, c *ignis.Client, m wire.Message) (any, error) {
			if m.Event == "no" {
				return nil, &ignis.Error{Code: wire.CodeNotFound, Message: "there is none"}
			}
			return fmt.Sprintf("%s of %s", m.Data, c.UserID), nil
		}
		srv := ignistest.NewServer(t, cfg)
		ann := srv.Dial(t, map[string]string{"token": "ann"})
		if !srv.InRoom(ann.ID(), ann.ID()) || ann.Conn.UserID() != "ann" {
			t.Errorf("client %q of user %q is not on the server", ann.ID(), ann.Conn.UserID())
		}
		var reply string
		ann.Request("ask", 7, &reply)
		if reply != "7 of ann" {
			t.Errorf("the reply is %q", reply)
		}
		if err := ann.RequestError("no", nil); err.Code != wire.CodeNotFound || err.Message != "there is none" {
			t.Errorf("the error is %+v", err)
		}
		ann.Send("told", nil)
		_ = srv.SendLocal(ignis.ToUser("ann"), "number", 7)
		_ = srv.SendLocal(ignis.ToUser("ann"), "other", nil)
		var n int
		if ann.Expect("number", &n); n != 7 {
			t.Errorf("the number is %d", n)
		}
		if m := ann.Receive(); m.Event != "other" || m.Data != nil {
			t.Errorf("received %+v", m)
		}
		_ = srv.Disconnect(ann.ID(), 4321, "")
		ann.ExpectClose(4321)
	})
}

func TestRefusedClient(t *testing.T) {
	inBothTimes(t, func(t *testing.T) {
		cfg := config
		cfg.Authenticate = func(context.Context, ignis.Credentials) (ignis.Identity, error) {
			return ignis.Identity{}, ignis.ErrUnauthenticated
		}
		srv := ignistest.NewServer(t, cfg)
		_, err := client.Dial(t.Context(), srv.URL, client.Config{NetDial: srv.NetDial})
		if !errors.Is(err, client.ErrAuthentication) {
			t.Errorf("Dial: %v, want ErrAuthentication", err)
		}
	})
}

// Middleware and client addresses work as on a network.
func TestStart(t *testing.T) {
	inBothTimes(t, func(t *testing.T) {
		addresses := make(chan string, 2)
		cfg := config
		cfg.Authenticate = func(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
			addresses <- c.RemoteAddr
			return ignis.Identity{}, nil
		}
		app, err := ignis.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		mux.Handle(wire.DefaultPath, app)
		mux.HandleFunc("/hello", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
		srv := ignistest.Start(t, app, mux)
		srv.Dial(t, nil)
		srv.Dial(t, nil)
		if a, b := <-addresses, <-addresses; a != "192.0.2.1:49152" || b != "192.0.2.1:49153" {
			t.Errorf("the clients' addresses are %q and %q", a, b)
		}
		web := http.Client{Transport: &http.Transport{DialContext: srv.NetDial, DisableKeepAlives: true}}
		resp, err := web.Get("http://ignis.test/hello")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusTeapot {
			t.Errorf("status %d", resp.StatusCode)
		}
	})
}

func TestCluster(t *testing.T) {
	inBothTimes(t, func(t *testing.T) {
		servers := ignistest.NewCluster(t, 2, config)
		ann := servers[1].Dial(t, map[string]string{"token": "ann"})
		if err := servers[0].Send(t.Context(), ignis.ToUser("ann"), "hello", nil); err != nil {
			t.Error(err)
		}
		ann.Expect("hello", nil)
	})
}

func TestDialAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ignistest.NewServer(t, config)
		if err := srv.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, err := client.Dial(t.Context(), srv.URL, client.Config{NetDial: srv.NetDial})
		if !errors.Is(err, client.ErrUnavailable) {
			t.Errorf("Dial: %v, want ErrUnavailable", err)
		}
	})
}

// tb is a test that may fail. It records its failures.
type tb struct {
	*testing.T
	mu       sync.Mutex
	failures []string
	cleanups []func()
}

func (t *tb) Errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failures = append(t.failures, fmt.Sprintf(format, args...))
}

func (t *tb) Fatal(args ...any) { t.Errorf("%s", fmt.Sprint(args...)); panic(t) }

func (t *tb) Fatalf(format string, args ...any) { t.Errorf(format, args...); panic(t) }

func (t *tb) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

// fails runs a test that fails, and returns its failures.
func fails(t *testing.T, test func(t *tb)) string {
	failing := &tb{T: t}
	func() {
		defer func() {
			if r := recover(); r != nil && r != any(failing) {
				panic(r)
			}
		}()
		test(failing)
	}()
	for len(failing.cleanups) > 0 {
		last := len(failing.cleanups) - 1
		f := failing.cleanups[last]
		failing.cleanups = failing.cleanups[:last]
		f()
	}
	return strings.Join(failing.failures, "\n")
}

func TestFailures(t *testing.T) {
	refuses := config
	refuses.Authenticate = func(context.Context, ignis.Credentials) (ignis.Identity, error) {
		return ignis.Identity{}, ignis.ErrUnauthenticated
	}
	closed := config
	closed.ValidateRooms = nil
	dead := config
	dead.Bus = deadBus{}
	for name, test := range map[string]struct {
		cfg  ignis.Config
		do   func(c *ignistest.Client, srv *ignistest.Server)
		want string
	}{
		"no Authenticate":   {ignis.Config{}, nil, "Authenticate"},
		"the bus":           {dead, nil, "the bus is dead"},
		"refused":           {refuses, nil, "Dial: "},
		"Join":              {closed, func(c *ignistest.Client, _ *ignistest.Server) { c.Join("a") }, "Join: "},
		"no message":        {config, func(c *ignistest.Client, _ *ignistest.Server) { c.Receive() }, "Receive: nothing was received for 1m0s"},
		"nothing expected":  {config, func(c *ignistest.Client, _ *ignistest.Server) { c.Expect("a", nil) }, `want event "a": nothing was received`},
		"another event":     {config, func(c *ignistest.Client, s *ignistest.Server) { send(s); c.Expect("b", nil) }, `received {"event":"a","data":1}, want event "b"`},
		"other data":        {config, func(c *ignistest.Client, s *ignistest.Server) { send(s); c.Expect("a", new(string)) }, `received {"event":"a","data":1}: `},
		"something":         {config, func(c *ignistest.Client, s *ignistest.Server) { send(s); c.ExpectNothing() }, `received {"event":"a","data":1}, want nothing`},
		"closed":            {config, func(c *ignistest.Client, s *ignistest.Server) { end(c, s); c.ExpectNothing() }, "the connection ended: "},
		"another code":      {config, func(c *ignistest.Client, s *ignistest.Server) { end(c, s); c.ExpectClose(4000) }, "want close code 4000"},
		"no close":          {config, func(c *ignistest.Client, s *ignistest.Server) { send(s); c.ExpectClose(4000) }, `received {"event":"a","data":1}, want close code 4000`},
		"no answer":         {config, func(c *ignistest.Client, s *ignistest.Server) { end(c, s); c.Request("a", nil, nil) }, `Request "a": `},
		"Send":              {config, func(c *ignistest.Client, s *ignistest.Server) { end(c, s); c.Send("a", nil) }, `Send "a": `},
		"answer, not error": {answers(), func(c *ignistest.Client, _ *ignistest.Server) { c.RequestError("a", nil) }, `Request "a" was answered with `},
		"closed, not error": {config, func(c *ignistest.Client, s *ignistest.Server) { end(c, s); c.RequestError("a", nil) }, `Request "a": `},
		"reply":             {answers(), func(c *ignistest.Client, _ *ignistest.Server) { c.Request("a", nil, new(int)) }, `Request "a": `},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := fails(t, func(t *tb) {
					srv := ignistest.NewServer(t, test.cfg)
					test.do(srv.Dial(t, nil), srv)
				})
				if !strings.Contains(got, test.want) || strings.Contains(got, "\n") {
					t.Errorf("the test fails with\n%s\nwant %s", got, test.want)
				}
			})
		})
	}
}

func send(srv *ignistest.Server) { _ = srv.SendLocal(ignis.ToEveryone(), "a", 1) }

func end(c *ignistest.Client, srv *ignistest.Server) {
	_ = srv.Disconnect(c.ID(), 4321, "")
	synctest.Wait()
}

func answers() ignis.Config {
	cfg := config
	cfg.OnMessage = func(context.Context, *ignis.Client, wire.Message) (any, error) { return "done", nil }
	return cfg
}

// deadBus does not start.
type deadBus struct{ ignis.Bus }

func (deadBus) Run(context.Context, func(), func(...[]byte)) error {
	return errors.New("the bus is dead")
}

// The failure shows the stack of a callback that does not return.
func TestStuckCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		got := fails(t, func(t *tb) {
			cfg := config
			cfg.OnMessage = func(context.Context, *ignis.Client, wire.Message) (any, error) {
				neverReturns(release)
				return nil, nil
			}
			ignistest.NewServer(t, cfg).Dial(t, nil).Send("a", nil)
			synctest.Wait()
		})
		if !strings.Contains(got, "1 callbacks did not return") || !strings.Contains(got, "neverReturns") {
			t.Errorf("the test failed with\n%s\nwant the callback's stack", got)
		}
		close(release)
	})
}

// A client is closed when the test that dialed it ends.
func TestClientEndsWithItsTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ignistest.NewServer(t, config)
		_ = fails(t, func(t *tb) { srv.Dial(t, nil) })
		synctest.Wait()
		if n := len(srv.Clients()); n != 0 {
			t.Errorf("%d clients are left", n)
		}
	})
}

func neverReturns(release chan struct{}) { <-release }

func TestNetDialChecksItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := ignistest.NewServer(t, config)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		synctest.Wait() // for the server to accept
		for range 50 {  // a select with two ready cases chooses at random
			if _, err := srv.NetDial(ctx, "", ""); !errors.Is(err, context.Canceled) {
				t.Fatalf("NetDial: %v", err)
			}
		}
	})
}

// Outside of a bubble it is unknown whether a message is in transit.
func TestExpectNothingInRealTime(t *testing.T) {
	got := fails(t, func(t *tb) { ignistest.NewServer(t, config).Dial(t, nil).ExpectNothing() })
	if !strings.Contains(got, "synctest bubble") {
		t.Errorf("the test fails with %q", got)
	}
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		ignistest.NewServer(t, config).Dial(t, nil).ExpectNothing()
		if d := time.Since(begun); d > time.Millisecond {
			t.Errorf("%v passed", d)
		}
	})
}
