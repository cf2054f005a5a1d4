package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/bustest"
	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/ignistest"
	"github.com/ignis-go/ignis/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var trader = Account{Symbols: []string{"AAPL", "GOOG"}, Trader: true}

// desk is a dashboard whose server runs in memory.
type desk struct {
	*Dashboard
	*ignistest.Server
}

func newDesk(t *testing.T, bus ignis.Bus) desk {
	t.Helper()
	tokens, err := NewTokens([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDashboard(tokens, bus, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	s := ignistest.Start(t, d.server, d.routes())
	for _, symbol := range []string{"AAPL", "GOOG", "MSFT"} {
		d.Publish(Quote{Symbol: symbol, Bid: 100, Ask: 102, Number: 1})
	}
	return desk{d, s}
}

// credentials returns the credentials of a user, with a token that is valid for an hour.
func (d desk) credentials(user string, a Account) map[string]string {
	token, err := d.tokens.Issue(user, a, time.Hour)
	if err != nil {
		panic(err)
	}
	return map[string]string{"token": token}
}

func TestSnapshotThenUpdates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, nil)
		ann := d.Dial(t, d.credentials("ann", trader))
		ann.Join("symbol:AAPL")
		var q Quote
		if ann.Expect("snapshot", &q); q != (Quote{"AAPL", 100, 102, 1}) {
			t.Errorf("the snapshot is %+v", q)
		}
		d.Publish(Quote{"AAPL", 101, 103, 2})
		d.Publish(Quote{"GOOG", 101, 103, 2}) // which Ann does not watch
		if ann.Expect("quote", &q); q != (Quote{"AAPL", 101, 103, 2}) {
			t.Errorf("the quote is %+v", q)
		}
		ann.ExpectNothing()

		// A symbol that is not in the token, a symbol that does not exist, and other rooms
		// are refused.
		bob := d.Dial(t, d.credentials("bob", Account{Symbols: []string{"*"}}))
		for room, c := range map[string]*ignistest.Client{"symbol:MSFT": ann, "symbol:X": bob, "symbol:": bob, "AAPL": bob} {
			var refused *client.JoinError
			if _, err := c.Conn.Join(t.Context(), room); !errors.As(err, &refused) {
				t.Errorf("Join %s: %v, want a refusal", room, err)
			}
		}
		bob.Join("symbol:MSFT")
	})
}

// A quote that is published while a client joins is in the snapshot or follows it.
func TestNoHoleAfterTheSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, nil)
		ann := d.Dial(t, d.credentials("ann", trader))
		for n := uint64(2); n < 500; n++ {
			var publishing sync.WaitGroup
			publishing.Go(func() { d.Publish(Quote{Symbol: "AAPL", Number: n}) })
			ann.Join("symbol:AAPL")
			publishing.Wait()
			if err := ann.Conn.Leave(t.Context(), "symbol:AAPL"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(50 * time.Millisecond) // more joins per second would be refused

			m := ann.Receive()
			for m.Event == "quote" { // from the previous round, and already in its snapshot
				m = ann.Receive()
			}
			var q Quote
			if err := m.Decode(&q); err != nil || m.Event != "snapshot" {
				t.Fatalf("received %s (%v), want a snapshot", m.Event, err)
			}
			if q.Number < n {
				ann.Expect("quote", &q)
			}
			if q.Number != n {
				t.Fatalf("quote %d is the last one received, want %d", q.Number, n)
			}
		}
	})
}

func TestOrders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var desks []desk
		for _, bus := range bustest.NewCluster(2) {
			desks = append(desks, newDesk(t, bus))
		}
		ann := desks[0].Dial(t, desks[0].credentials("ann", trader))
		all := desks[0].Dial(t, desks[0].credentials("eve", Account{[]string{"*"}, true}))
		phone := desks[1].Dial(t, desks[1].credentials("ann", trader)) // on another instance
		bob := desks[0].Dial(t, desks[0].credentials("bob", Account{Symbols: []string{"*"}}))

		var fill Fill
		ann.Request("order", Order{"AAPL", Buy, 5}, &fill)
		if want := (Fill{Order{"AAPL", Buy, 5}, 1, 102}); fill != want {
			t.Errorf("bought: %+v, want %+v", fill, want)
		}
		for _, session := range []*ignistest.Client{ann, phone} {
			var filled Fill
			if session.Expect("filled", &filled); filled != fill {
				t.Errorf("filled: %+v, want %+v", filled, fill)
			}
		}
		if ann.Request("order", Order{"AAPL", Sell, 5}, &fill); fill.Price != 100 || fill.ID != 2 {
			t.Errorf("sold: %+v", fill)
		}
		ann.Expect("filled", nil)
		phone.Expect("filled", nil)

		for _, test := range []struct {
			who   *ignistest.Client
			event string
			data  any
			want  wire.ErrorCode
		}{
			{bob, "order", Order{"AAPL", Buy, 1}, wire.CodeForbidden},
			{ann, "order", Order{"MSFT", Buy, 1}, wire.CodeNotFound},
			{all, "order", Order{"XXXX", Buy, 1}, wire.CodeNotFound},
			{ann, "order", Order{"AAPL", Buy, 0}, wire.CodeInvalid},
			{ann, "order", Order{"AAPL", "steal", 1}, wire.CodeInvalid},
			{ann, "order", "AAPL", wire.CodeInvalid},
			{ann, "cancel", 1, wire.CodeUnknownEvent},
		} {
			if err := test.who.RequestError(test.event, test.data); err.Code != test.want {
				t.Errorf("%s %v: %v, want %s", test.event, test.data, err, test.want)
			}
		}
		for _, c := range []*ignistest.Client{ann, phone, bob} {
			c.ExpectNothing()
		}
	})
}

func TestSessionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, nil)
		ann := d.Dial(t, d.credentials("ann", trader))
		// The other client refreshes its session. Its account has lost a symbol in the
		// meantime.
		bob := d.DialConfig(t, client.Config{
			Credentials: d.credentials("bob", trader),
			Refresh: func(context.Context) (any, error) {
				return d.credentials("bob", Account{Symbols: []string{"GOOG"}}), nil
			},
		})
		bob.Join("symbol:AAPL", "symbol:GOOG")
		bob.Expect("snapshot", nil)
		bob.Expect("snapshot", nil)
		time.Sleep(time.Hour)
		ann.Expect(wire.EventExpiring, nil)
		ann.ExpectClose(wire.CloseExpired)
		d.Publish(Quote{Symbol: "AAPL", Number: 2})
		d.Publish(Quote{Symbol: "GOOG", Number: 2})
		var q Quote
		if bob.Expect("quote", &q); q.Symbol != "GOOG" {
			t.Errorf("Bob still receives %+v", q)
		}
		bob.ExpectNothing()
	})
}

// A client that does not read for a while receives only the latest price of each symbol,
// but all of its fills.
func TestSlowClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, nil)
		ann := d.Dial(t, d.credentials("ann", trader))
		ann.Join("symbol:AAPL", "symbol:GOOG")
		ann.Expect("snapshot", nil)
		ann.Expect("snapshot", nil)
		const last = 20_000
		for n := uint64(2); n <= last; n++ {
			d.Publish(Quote{Symbol: "AAPL", Number: n})
			d.Publish(Quote{Symbol: "GOOG", Number: n})
			if n == last/2 { // by now, Ann's queue is full
				ann.Send("order", Order{"AAPL", Buy, 1})
				synctest.Wait()
			}
		}
		received, fills := 0, 0
		for have := map[string]uint64{}; have["AAPL"] < last || have["GOOG"] < last; received++ {
			m := ann.Receive()
			if m.Event == "filled" {
				fills++
				continue
			}
			var q Quote
			if err := m.Decode(&q); err != nil || q.Number < have[q.Symbol] {
				t.Fatalf("received %+v after %v (%v)", q, have, err)
			}
			have[q.Symbol] = q.Number
		}
		// Without keys, thousands of messages would be waiting for her.
		if received > 1000 || fills != 1 {
			t.Errorf("received %d messages of %d, %d fills", received, 2*last, fills)
		}
	})
}

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, nil)
		ann := d.Dial(t, d.credentials("ann", trader))
		ann.Request("order", Order{"AAPL", Buy, 1}, nil)
		ann.RequestError("order", Order{"AAPL", Buy, -1})
		bob := d.Dial(t, d.credentials("bob", trader))
		_ = bob.Conn.Close()
		_, err := client.Dial(t.Context(), d.URL, client.Config{NetDial: d.NetDial})
		if !errors.Is(err, client.ErrAuthentication) {
			t.Errorf("without a token: %v", err)
		}
		synctest.Wait()
		want := map[string]float64{
			"clients": 1, "closed: client closed": 1, "closed: authentication failed": 1,
			"authentications: done": 2, "authentications: rejected": 1,
			"requests: done": 1, "requests: invalid": 1, "seconds in requests": 0, "messages sent": 1,
		}
		got := map[string]float64{}
		w := httptest.NewRecorder()
		d.routes().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		for name, n := range want {
			if got[name] != n {
				t.Errorf("%s is %v, want %v", name, got[name], n)
			}
		}
	})
}

// When the program stops, it closes its clients with 1001 and returns no error.
func TestDrain(t *testing.T) {
	tokens, err := NewTokens([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewDashboard(tokens, nil, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	served := make(chan error, 1)
	go func() { served <- d.Serve(ctx, l) }()
	<-d.server.Ready()
	desk := desk{Dashboard: d}
	c, err := client.Dial(ctx, "ws://"+l.Addr().String()+wire.DefaultPath, client.Config{Credentials: desk.credentials("ann", trader)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Join(ctx, "symbol:AAPL"); err != nil {
		t.Fatal(err)
	}
	for n := 0; n < 3 && err == nil; n++ { // quotes of the exchange
		_, err = c.Receive(ctx)
	}
	stop()
	var closed *client.CloseError
	for err == nil {
		_, err = c.Receive(t.Context())
	}
	if !errors.As(err, &closed) || closed.Code != wire.CloseGoingAway {
		t.Errorf("the client received %v, want 1001", err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, nil)
		login := func(user string) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			d.routes().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/login?user="+user, nil))
			return w
		}
		if w := login(""); w.Code != http.StatusBadRequest {
			t.Errorf("without a user: status %d", w.Code)
		}
		for user, allowed := range map[string]bool{"ann": true, "guest": false} {
			c := d.Dial(t, map[string]string{"token": login(user).Body.String()})
			_, err := c.Conn.Request(t.Context(), "order", Order{"MSFT", Buy, 1})
			if (err == nil) != allowed {
				t.Errorf("%s orders: %v", user, err)
			}
		}
	})
}
