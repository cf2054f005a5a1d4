package ignis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/ignis-go/ignis/internal/ws"
	"github.com/ignis-go/ignis/wire"
)

// Drain takes the server out of service without an outage, for example during a deployment,
// and waits until Run has returned:
//
//   - For DrainDelay, the server is not ready (see [Server.Health]), so that load balancers send
//     new clients elsewhere. It still accepts those that arrive.
//   - Within DrainWindow, it closes all clients with 1001, evenly spread, after the messages
//     that are queued for them. A client of protocol 2 receives a draining event
//     ([wire.EventDraining]) about a second before, with the time after which it should connect
//     again. A client for which callbacks are running or messages are waiting is closed
//     afterwards, at the latest when the window ends. The server accepts connections until then.
//   - Run then ends as after [Server.Shutdown].
//
// If ctx is done, Drain closes the remaining clients immediately, and returns an error that wraps
// ctx's error while the shutdown continues. Shutdown, and the end of Run's context, also end the
// drain. Drain may be called repeatedly; further calls join the first one. A server that is not
// ready yet shuts down immediately. Callbacks must not call Drain, because Run waits for them;
// they can call [Server.DrainServer], which does not wait.
func (s *Server) Drain(ctx context.Context) error {
	if s == nil {
		return ErrNotRunning
	}
	s.beginDrain()
	if err := s.awaitEnd(ctx); err != nil {
		s.beginStop()
		return fmt.Errorf("ignis: drain: %w", err)
	}
	return nil
}

// DrainServer makes a server of the cluster drain, as [Server.Drain] does, and does not wait for
// it. id is the server's ID; see [Server.ID]. It returns the number of clients of this server
// that are concerned, which is 0 if id is another server.
//
// For another server, DrainServer passes a command to the bus and waits until the bus has
// accepted it or ctx is done. If that fails, the error wraps a [*BusError], and calling
// DrainServer again is safe. The result does not tell whether a server with the ID exists. A
// server that is cut off from the bus misses the command.
func (s *Server) DrainServer(ctx context.Context, id string) (clients int, err error) {
	if err := s.running(); err != nil {
		return 0, err
	}
	d := wire.Drain{ServerID: id}
	if err := d.Check(); err != nil {
		return 0, fmt.Errorf("ignis: %w", err)
	}
	switch {
	case id == s.id:
		clients = s.reg.Counts().Members
		s.beginDrain()
		return clients, nil
	case s.solo:
		return 0, errors.New("ignis: drain: the ID is not that of this server, and without a bus it knows no others")
	}
	return 0, s.sendCommand(ctx, d.Encode(uuid.NewString()))
}

// drainByCommand executes a command of another server or an emitter.
func (s *Server) drainByCommand(d wire.Drain) {
	if d.ServerID == s.id {
		s.cfg.Logger.Info("command to drain received")
		s.beginDrain()
	}
}

// beginDrain makes Run drain the server. It may be called repeatedly.
func (s *Server) beginDrain() {
	s.mu.Lock()
	if !s.isDraining() {
		close(s.draining)
	}
	s.mu.Unlock()
	select {
	case <-s.ready:
	default: // Run does not accept clients yet
		s.beginStop()
	}
}

func (s *Server) isDraining() bool {
	select {
	case <-s.draining:
		return true
	default:
		return false
	}
}

const (
	maxDrainWindow = 30 * time.Second // default of Config.DrainWindow
	manyClients    = 1000             // the number of clients from which it applies

	drainLook = time.Second     // time between two looks for clients that have connected meanwhile
	drainLog  = 5 * time.Second // time between two lines in the log
)

// spreadFor returns the time over which to spread the reconnects of a number of clients.
func spreadFor(clients int) time.Duration {
	return maxDrainWindow / manyClients * time.Duration(min(clients, manyClients))
}

// drain is the progress of Server.Drain. Times are according to Server.uptime.
type drain struct {
	opens int64 // begin of the window
	open  bool
	ends  int64 // end of the window, once it is open
	look  int64 // when to look for new clients
	log   int64 // when to log progress
}

// drain begins to drain the server.
func (d *departures) drain() {
	s := d.server
	delay := s.tuning.Load().DrainDelay
	d.draining = &drain{opens: s.uptime() + int64(delay)}
	s.cfg.Logger.Info("server is draining: it is not ready, but still accepts connections", "clients", s.reg.Counts().Members, "delay", delay)
	d.set()
}

// stepDrain continues to drain the server and reports whether it has finished.
func (d *departures) stepDrain(now int64) (done bool) {
	dr := d.draining
	switch {
	case dr == nil || now < dr.opens:
		return false
	case !dr.open:
		return d.openWindow(now)
	case now >= dr.ends, d.server.reg.Counts().Members == 0:
		return true
	}
	if len(d.planned) == 0 || now >= dr.look {
		dr.look = now + int64(drainLook)
		d.planNew(now)
	}
	if now >= dr.log {
		dr.log = now + int64(drainLog)
		d.server.cfg.Logger.Info("server is draining: clients are being closed", "clients", d.server.reg.Counts().Members, "remaining", time.Duration(dr.ends-now).Round(time.Second))
	}
	return len(d.planned) == 0
}

// openWindow plans when to close each client and reports whether they should be closed
// immediately.
func (d *departures) openWindow(now int64) (done bool) {
	s, dr := d.server, d.draining
	list := s.reg.AppendAll(nil)
	n := len(list)
	window := s.tuning.Load().DrainWindow
	if window < 0 {
		for _, c := range list {
			c.warn(time.Duration(rand.Int64N(int64(spreadFor(n)))))
		}
		return true
	}
	if window == 0 {
		window = spreadFor(n)
	}
	dr.open, dr.ends = true, now+int64(window)
	dr.look, dr.log = now+int64(drainLook), now+int64(drainLog)
	s.cfg.Logger.Info("server is draining: closing clients", "clients", n, "window", window)
	rand.Shuffle(n, func(i, j int) { list[i], list[j] = list[j], list[i] })
	notice := noticeFor(window)
	for i, c := range list {
		at := now + int64(notice) + int64(float64(window-notice)*float64(i)/float64(n))
		d.plan(departure{client: c, at: at, until: dr.ends, end: goingAway}, notice)
	}
	return n == 0
}

// planNew plans when to close the clients that have connected during the window.
func (d *departures) planNew(now int64) {
	left := time.Duration(d.draining.ends - now)
	notice := noticeFor(left)
	for _, c := range d.server.reg.AppendAll(nil) {
		if !c.leaving {
			at := now + int64(notice) + rand.Int64N(int64(left-notice)+1)
			d.plan(departure{client: c, at: at, until: d.draining.ends, end: goingAway}, notice)
		}
	}
}

// goingAway is how clients are closed when the server drains.
var goingAway = ws.End{Cause: ws.CauseRule, Code: wire.CloseGoingAway, Reason: wire.CloseReason(wire.CloseGoingAway)}
