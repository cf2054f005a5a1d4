package ignis

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/ignis-go/ignis/internal/inbox"
	"github.com/ignis-go/ignis/internal/loglimit"
	"github.com/ignis-go/ignis/internal/registry"
	"github.com/ignis-go/ignis/internal/ws"
	"github.com/ignis-go/ignis/wire"
)

// Server accepts WebSocket connections and delivers messages to them. It is an
// [http.Handler]; mount it at the path that clients connect to, usually
// [wire.DefaultPath]. Create it with [New] and run it with [Server.Run].
//
// All methods may be called from any goroutine, including callbacks. Methods that send
// never wait for a client or the network. Messages that one goroutine sends to a client
// arrive in the order of the calls.
type Server struct {
	id      string
	begun   time.Time // when it was created
	cfg     Config
	solo    bool // no bus
	opts    ws.Options
	tuning  atomic.Pointer[tuning]
	reg     *registry.Registry[*session]
	counts  counters
	revoked *revocations
	obeyed  commandIDs        // used only by the goroutine that receives commands
	limit   *loglimit.Limiter // for log lines that clients can cause; open while Run runs
	limits  *limits
	memory  memoryWatch

	errorFrames errorFrames

	sealSlots chan struct{} // one element per running BeforeSeal or Seal

	inboxes inbox.Group // shared by all clients; set before ready is closed

	ready    chan struct{} // closed when connections are accepted
	draining chan struct{} // closed when the server begins to drain
	stopping chan struct{} // closed when the server stops accepting connections
	ended    chan struct{} // closed when nothing can be sent any longer, before the bus stops
	done     chan struct{} // closed when Run has returned
	tasks    sync.WaitGroup

	mu      sync.Mutex
	started bool
}

// New returns a server that is not running yet, or an error if cfg is invalid.
func New(cfg Config) (*Server, error) {
	solo := cfg.Bus == nil
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	id := uuid.NewString()
	cfg.Logger = cfg.Logger.With("server", id)
	s := &Server{
		id:          id,
		begun:       time.Now(),
		cfg:         cfg,
		solo:        solo,
		opts:        cfg.transport(),
		reg:         registry.New[*session](),
		limit:       loglimit.New(cfg.Logger),
		limits:      newLimits(cfg),
		revoked:     newRevocations(cfg.MaxRevocations),
		ready:       make(chan struct{}),
		draining:    make(chan struct{}),
		stopping:    make(chan struct{}),
		ended:       make(chan struct{}),
		done:        make(chan struct{}),
		errorFrames: newErrorFrames(),

		sealSlots: make(chan struct{}, min(cfg.SealConcurrency, 1<<20)),
	}
	s.opts.SealFailed = s.sealFailed
	s.memory.init(cfg.MemoryLimit)
	if f := cfg.Hooks.Flushed; f != nil {
		s.opts.Flushed = func(writes, messages, bytes int) {
			hook(s, "Flushed", f, FlushedInfo{writes, messages, bytes})
		}
	}
	s.tune(cfg)
	return s, nil
}

// uptime returns the time since the server was created, in nanoseconds, according to the
// monotonic clock.
func (s *Server) uptime() int64 { return int64(time.Since(s.begun)) }

// ID returns the server's UUID, which identifies its own envelopes on the bus.
func (s *Server) ID() string {
	if s == nil {
		return ""
	}
	return s.id
}

// HasBus reports whether the server exchanges messages with other instances.
func (s *Server) HasBus() bool { return s != nil && !s.solo }

// Ready returns a channel that is closed once the bus has subscribed and the server
// accepts connections.
func (s *Server) Ready() <-chan struct{} {
	if s == nil {
		return nil // never ready
	}
	return s.ready
}

// Run runs the server until ctx is done, Shutdown is called, or it has been drained; see
// [Server.Drain]. It then closes all clients with 1001, waits for their callbacks and
// returns nil. It returns an error if the server
// has been run before, if the bus cannot start or fails, or if callbacks do not return
// within ShutdownTimeout. Until the bus has subscribed and the server knows what has been
// revoked, ServeHTTP responds with 503.
func (s *Server) Run(ctx context.Context) error {
	if s == nil {
		return ErrNotRunning
	}
	s.mu.Lock()
	started := s.started
	s.started = true
	s.mu.Unlock()
	if started {
		return errors.New("ignis: Run was called before; a server can run only once")
	}
	defer close(s.done)
	s.limit.Open()
	defer s.limit.Close()
	defer s.beginStop()

	// The callbacks' contexts outlive ctx, so that callbacks can finish during a shutdown.
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	bus, subscribed := s.startBus(base)
	defer func() {
		close(s.ended)
		bus.stop()
	}()
	select {
	case <-subscribed:
	case err := <-bus.failed:
		return fmt.Errorf("ignis: the bus did not start: %w", err)
	case <-ctx.Done():
		return nil
	case <-s.stopping:
		return nil
	}

	s.inboxes.MaxJobs, s.inboxes.MaxBytes = maxJobs, maxJobBytes
	s.inboxes.Tasks, s.inboxes.Now = &s.tasks, s.uptime
	s.inboxes.NewContext = func() (context.Context, context.CancelFunc) { return context.WithCancel(base) }
	engine := ws.EngineConfig{
		Threads: runtime.GOMAXPROCS(0),
		Plain:   s.cfg.PlainIO,
		PollFailed: func(err error) {
			s.cfg.Logger.Warn("epoll is not available, so connections need more memory and CPU time", "error", err)
		},
	}
	s.memory.attach(&engine)
	s.mu.Lock()
	s.opts.Engine = ws.NewEngine(engine)
	s.tune(s.tuning.Load().Config)
	s.mu.Unlock()
	defer s.watchMemory()()
	close(s.ready)
	s.cfg.Logger.Info("server is ready")
	err := s.watch(ctx, bus.failed)
	return errors.Join(err, s.closeAll(cancel))
}

// watch checks the clients periodically until the server stops or has been drained.
func (s *Server) watch(ctx context.Context, busFailed <-chan error) error {
	heartbeat := time.NewTicker(s.cfg.HeartbeatInterval)
	defer heartbeat.Stop()
	limits := time.NewTicker(s.limitInterval())
	defer limits.Stop()
	leaving := newDepartures(s)
	defer leaving.timer.Stop()
	draining := s.draining
	for {
		select {
		case <-heartbeat.C:
			s.sweepSilent()
			s.revoked.expire(time.Now().UnixMilli())
		case <-limits.C:
			s.sweepLimits()
			leaving.planAged(s.limitInterval())
		case <-draining:
			draining = nil
			leaving.drain()
		case <-leaving.timer.C:
			if leaving.step() {
				return nil
			}
		case <-ctx.Done():
			return nil
		case <-s.stopping:
			return nil
		case err := <-busFailed:
			return fmt.Errorf("ignis: the bus stopped: %w", err)
		}
	}
}

// closeAll closes all clients and waits for their goroutines, including those of clients
// whose upgrade is in progress, which serve closes.
func (s *Server) closeAll(cancel context.CancelFunc) error {
	s.beginStop()
	clients := s.reg.AppendAll(nil)
	s.cfg.Logger.Info("server is shutting down", "clients", len(clients))
	for _, c := range clients {
		c.close(wire.CloseGoingAway)
	}
	gone := make(chan struct{})
	go func() {
		s.tasks.Wait() // never returns if a callback does not
		s.opts.Engine.Close()
		close(gone)
	}()
	timeout := time.NewTimer(s.cfg.ShutdownTimeout)
	defer timeout.Stop()
	for late := false; ; {
		select {
		case <-gone:
			s.cfg.Logger.Info("server has shut down", "clients", s.counts.closedFor(CauseShutdown))
			return nil
		case <-timeout.C:
			if late {
				return s.lateError()
			}
			// Interrupt the remaining callbacks and connections, and wait briefly for them.
			late = true
			cancel()
			for _, c := range s.reg.AppendAll(nil) {
				c.conn.Abort(ws.CauseAborted)
			}
			timeout.Reset(time.Second)
		}
	}
}

// beginStop makes ServeHTTP refuse requests and Run return. It may be called repeatedly.
func (s *Server) beginStop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isStopping() {
		close(s.stopping)
	}
}

// Shutdown makes Run return and waits for it. If ctx is done first, Shutdown returns an
// error that wraps ctx's error, and the shutdown continues. Shutdown may be called
// repeatedly, and before Run. A callback that calls Shutdown must pass its own context,
// because Run waits for the callback.
func (s *Server) Shutdown(ctx context.Context) error {
	if s == nil {
		return ErrNotRunning
	}
	s.beginStop()
	if err := s.awaitEnd(ctx); err != nil {
		return fmt.Errorf("ignis: shutdown: %w", err)
	}
	return nil
}

// awaitEnd waits until Run has returned, if it was called. It returns ctx's error if ctx is done
// first.
func (s *Server) awaitEnd(ctx context.Context) error {
	s.mu.Lock()
	started := s.started
	s.mu.Unlock()
	if !started {
		return nil
	}
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// running returns ErrNotRunning unless the server is running.
func (s *Server) running() error {
	if s == nil {
		return ErrNotRunning
	}
	select {
	case <-s.ready:
	default:
		return ErrNotRunning
	}
	select {
	case <-s.ended:
		return ErrNotRunning
	default:
		return nil
	}
}

func (s *Server) isStopping() bool {
	select {
	case <-s.stopping:
		return true
	default:
		return false
	}
}

// Health is the state of a server and its bus, for probes.
type Health struct {
	// Ready reports whether the server should be sent new connections: it accepts them,
	// and is not draining.
	Ready bool
	// Draining reports whether the server is draining, and so not ready although it still
	// accepts connections; see [Server.Drain].
	Draining bool
	// Bus is the reason why messages do not, or may not, reach other instances, or nil if
	// they do. Clients of this instance can reach each other in any case.
	Bus error
}

// Health returns the health of the server and its bus.
func (s *Server) Health() Health {
	if s == nil {
		return Health{}
	}
	accepts, draining := s.running() == nil && !s.isStopping(), s.isDraining()
	h := Health{Ready: accepts && !draining, Draining: accepts && draining}
	if m, ok := s.cfg.Bus.(BusMonitor); ok {
		h.Bus = m.Health()
	}
	return h
}
