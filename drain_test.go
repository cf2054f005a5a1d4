package ignis_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// departures are the times at which clients were warned and closed.
type departures struct {
	mu             sync.Mutex
	warned, closed map[int]time.Duration // by client, since the drain began
	retry          map[int]time.Duration
	began          time.Time
}

// watchDepartures records what happens to the clients until they are all gone. Each odd client
// uses protocol 2.
func (n *node) watchDepartures(clients int) (*departures, func()) {
	d := &departures{warned: map[int]time.Duration{}, closed: map[int]time.Duration{}, retry: map[int]time.Duration{}, began: time.Now()}
	var all sync.WaitGroup
	for i := range clients {
		p := n.connect()
		if i%2 == 1 {
			p.text(authenticate2)
			p.connected()
		} else {
			p.authenticate("bob")
		}
		all.Go(func() { d.record(n, i, p) })
	}
	d.began = time.Now()
	return d, all.Wait
}

func (d *departures) record(n *node, i int, p *peer) {
	for {
		line := p.next()
		d.mu.Lock()
		since := time.Since(d.began)
		m, _ := wire.DecodeMessage([]byte(line))
		switch {
		case line == "<end>":
			d.mu.Unlock()
			return
		case m.Event == wire.EventDraining:
			data, ok := wire.DecodeDraining(m.Data)
			if !ok {
				n.t.Errorf("received %s", line)
			}
			d.warned[i], d.retry[i] = since, data.RetryAfter
		case strings.HasPrefix(line, "<close 1001 "):
			d.closed[i] = since
		default:
			n.t.Errorf("client %d received %s", i, line)
		}
		d.mu.Unlock()
	}
}

// spread checks that the clients were closed evenly between two times.
func (d *departures) spread(t *testing.T, clients int, from, to time.Duration) {
	t.Helper()
	var times []time.Duration
	for _, at := range d.closed {
		times = append(times, at)
	}
	if slices.Sort(times); len(times) != clients {
		t.Fatalf("%d clients were closed, want %d", len(times), clients)
	}
	if times[0] < from || times[clients-1] > to {
		t.Errorf("closed from %v to %v, want %v to %v", times[0], times[clients-1], from, to)
	}
	const parts = 10
	for part := range parts {
		begin, end := from+(to-from)*time.Duration(part)/parts, from+(to-from)*time.Duration(part+1)/parts
		n := 0
		for _, at := range times {
			if at >= begin && at < end {
				n++
			}
		}
		if n < clients/parts*8/10 || n > clients/parts*12/10+1 {
			t.Errorf("%d of %d clients were closed from %v to %v", n, clients, begin, end)
		}
	}
}

// A drain waits, and then closes the clients evenly. Each client of protocol 2 gets its own time
// to reconnect before.
func TestDrain(t *testing.T) {
	for _, row := range []struct {
		cfg             ignis.Config
		clients         int
		from, to, spent time.Duration
	}{
		{ignis.Config{DrainDelay: 5 * time.Second, DrainWindow: 41 * time.Second}, 200, 6 * time.Second, 46 * time.Second, 46 * time.Second},
		{ignis.Config{}, 200, time.Second, 6 * time.Second, 6 * time.Second}, // 30 s for 1000 clients
		{ignis.Config{DrainWindow: 2 * time.Second}, 100, 500 * time.Millisecond, 2 * time.Second, 2 * time.Second},
	} {
		bubble(t, func(t *testing.T) {
			n := startMem(t, row.cfg)
			d, gone := n.watchDepartures(row.clients)
			if err := n.Drain(t.Context()); err != nil {
				t.Error(err)
			}
			spent := time.Since(d.began)
			gone()
			if err := <-n.ran; err != nil {
				t.Errorf("Run: %v", err)
			}
			n.ran <- nil
			if spent > row.spent+100*time.Millisecond || spent < row.spent*9/10 {
				t.Errorf("took %v, want %v", spent, row.spent)
			}
			d.spread(t, row.clients, row.from, row.to)
			times := make(map[time.Duration]bool)
			for i := range row.clients {
				before := d.closed[i] - d.warned[i]
				switch warned := d.warned[i] != 0; {
				case warned != (i%2 == 1):
					t.Errorf("client %d was warned: %v", i, warned)
				case warned && (before < 400*time.Millisecond || before > 1100*time.Millisecond || d.retry[i] < before-10*time.Millisecond || d.retry[i] > 2*time.Second):
					t.Errorf("client %d was warned %v before, with retryAfter %v", i, before, d.retry[i])
				case warned:
					times[d.warned[i]+d.retry[i]] = true
				}
			}
			if len(times) < row.clients/2*9/10 {
				t.Errorf("%d clients reconnect at %d different times", row.clients/2, len(times))
			}
			if s := n.Stats(); s.Disconnects[ignis.CauseShutdown] != uint64(row.clients) {
				t.Errorf("counted %v", s.Disconnects)
			}
		})
	}
}

// While it waits, and while it closes clients, the server is not ready but serves and accepts
// clients. Clients that connect meanwhile are closed within the window.
func TestDrainAcceptsClients(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{DrainDelay: 5 * time.Second, DrainWindow: 20 * time.Second, ValidateRooms: allRooms})
		d, gone := n.watchDepartures(100)
		if h := n.Health(); !h.Ready || h.Draining {
			t.Errorf("before: %+v", h)
		}
		drained := make(chan error, 1)
		go func() { drained <- n.Drain(t.Context()) }()
		for at := range 10 {
			time.Sleep(2 * time.Second)
			if h := n.Health(); h.Ready || !h.Draining {
				t.Errorf("after %d s: %+v", 2*at, h)
			}
			p := n.login2()
			p.text(`{"event":"join","data":{"rooms":["a"]},"id":"1"}`)
			if got := p.next(); !strings.HasPrefix(got, `{"event":"ack"`) {
				t.Errorf("received %s", got)
			}
			go func() {
				if got := p.next(); !strings.HasPrefix(got, `{"event":"draining"`) {
					t.Errorf("received %s", got)
				}
				p.expect(closed(1001)...)
			}()
		}
		gone()
		if err := errors.Join(<-drained, <-n.ran); err != nil {
			t.Error(err)
		}
		n.ran <- nil
		d.spread(t, 100, 6*time.Second, 25*time.Second)
		if h := n.Health(); h.Ready {
			t.Errorf("after the drain: %+v", h)
		}
		w := httptest.NewRecorder()
		if n.ServeHTTP(w, upgradeRequest()); w.Code != http.StatusServiceUnavailable {
			t.Errorf("after the drain: status %d", w.Code)
		}
		synctest.Wait()
	})
}

// A second call joins the first. If the context of one of them ends, so does the drain.
func TestDrainTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{DrainWindow: 20 * time.Second})
		_, gone := n.watchDepartures(10)
		results := make(chan error, 3)
		began := time.Now()
		for i := range 3 {
			go func() {
				time.Sleep(time.Duration(i) * 5 * time.Second)
				results <- n.Drain(t.Context())
			}()
		}
		gone()
		if err := errors.Join(<-results, <-results, <-results, <-n.ran, n.Drain(t.Context())); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("took %v", took)
		}
		n.ran <- nil
	})
	for name, end := range map[string]func(n *node){
		"its own context": func(*node) {},
		"another call": func(n *node) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_ = n.Drain(ctx)
		},
		"Shutdown":           func(n *node) { _ = n.Shutdown(context.Background()) },
		"the context of Run": func(n *node) { n.stop() },
	} {
		bubble(t, func(t *testing.T) {
			n := startMem(t, ignis.Config{DrainDelay: time.Hour, DrainWindow: time.Hour})
			p := n.login("ann")
			ctx, cancel := context.WithCancel(context.Background())
			drained := make(chan error, 1)
			go func() { drained <- n.Drain(ctx) }()
			time.Sleep(time.Minute)
			p.only()
			if end(n); name == "its own context" {
				cancel()
			}
			p.only(closed(1001)...)
			if err := <-drained; errors.Is(err, context.Canceled) != (name == "its own context") {
				t.Errorf("%s: Drain: %v", name, err)
			}
			if err := <-n.ran; err != nil {
				t.Errorf("%s: Run: %v", name, err)
			}
			n.ran <- nil
			cancel()
		})
	}
}

// A drain before the server runs, or of one that has no clients or does not exist.
func TestDrainWithoutClients(t *testing.T) {
	if err := (*ignis.Server)(nil).Drain(t.Context()); !errors.Is(err, ignis.ErrNotRunning) {
		t.Errorf("of nil: %v", err)
	}
	bubble(t, func(t *testing.T) {
		s, err := ignis.New(ignis.Config{Authenticate: anyone})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Drain(t.Context()), s.Run(t.Context()), s.Drain(t.Context())); err != nil {
			t.Errorf("before Run: %v", err)
		}
		b := newFakeBus()
		<-b.starting // it never starts
		waits := newNode(t, ignis.Config{Bus: b, DrainDelay: time.Hour})
		synctest.Wait()
		if err := errors.Join(waits.Drain(t.Context()), <-waits.ran); err != nil {
			t.Errorf("before the server is ready: %v", err)
		}
		waits.ran <- nil
		n := startMem(t, ignis.Config{DrainDelay: 5 * time.Second, DrainWindow: time.Hour})
		began := time.Now()
		if err := errors.Join(n.Drain(t.Context()), <-n.ran); err != nil || time.Since(began) > 6*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		n.ran <- nil
	})
}

// Without a window, clients are closed immediately, and reconnect at different times.
func TestDrainWithoutWindow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{DrainWindow: -1})
		d, gone := n.watchDepartures(100)
		if err := n.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		gone()
		longest := time.Duration(0)
		for i, at := range d.closed {
			longest = max(longest, d.retry[i])
			if at > 100*time.Millisecond {
				t.Errorf("closed after %v", at)
			}
		}
		if len(d.closed) != 100 || len(d.retry) != 50 || longest < 2*time.Second || longest > 3*time.Second {
			t.Errorf("%d closed, %d with retryAfter up to %v", len(d.closed), len(d.retry), longest)
		}
	})
}
