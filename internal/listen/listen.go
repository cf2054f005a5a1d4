package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Listeners listen on several addresses. Create them with [New].
type Listeners struct {
	cfg    Config
	certs  *certificates // nil without TLS files
	secure *tls.Config   // of Config.Certificates, otherwise nil
	places *places
	work   chan struct{} // one element per connection that computes for its handshake
	counts counters

	trusted atomic.Pointer[Proxies]

	list    []*Listener
	stop    chan struct{} // closed by Close; ends watch
	closing sync.Once
	watch   sync.WaitGroup
}

// New validates the configuration and reads the files that it names. It does not listen
// yet. The error for a file that cannot be used is a [*FileError].
func New(cfg Config) (*Listeners, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	l := &Listeners{
		cfg: cfg, places: newPlaces(cfg.MaxHandshakes), work: make(chan struct{}, runtime.GOMAXPROCS(0)), stop: make(chan struct{}),
	}
	l.SetTrusted(cfg.Trusted)
	if cfg.Certificates != nil {
		l.secure = cfg.Certificates.TLSConfig()
	}
	for _, a := range cfg.Addresses {
		if !a.TLS || l.certs != nil || cfg.Certificates != nil {
			continue
		}
		if l.certs, err = loadCertificates(cfg.TLS); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// SetTrusted replaces Config.Trusted for connections that arrive from now on.
func (l *Listeners) SetTrusted(p Proxies) { l.trusted.Store(&p) }

// Open listens on all addresses and starts to watch the certificate files. If it fails for
// one address, it closes the others and returns an [*AddressError].
func (l *Listeners) Open(ctx context.Context) error {
	for _, a := range l.cfg.Addresses {
		one, err := l.open(ctx, a)
		if err != nil {
			l.Close()
			return &AddressError{a, err}
		}
		l.list = append(l.list, one)
	}
	l.start()
	return nil
}

// start starts to keep the certificates up to date.
func (l *Listeners) start() {
	if l.certs != nil {
		l.watch.Go(func() { l.certs.watch(l.stop) })
	}
	if c := l.cfg.Certificates; c != nil {
		ctx, cancel := context.WithCancel(context.Background())
		l.watch.Go(func() { c.Run(ctx) })
		l.watch.Go(func() {
			<-l.stop
			cancel()
		})
	}
}

// tlsConfig returns the configuration of new connections.
func (l *Listeners) tlsConfig() *tls.Config {
	if l.certs != nil {
		return l.certs.inUse().config
	}
	return l.secure
}

// AddressError reports that listening on an address failed.
type AddressError struct {
	Address Address
	Err     error
}

func (e *AddressError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *AddressError) Unwrap() error { return e.Err }

// All returns the listeners, in the order of Config.Addresses.
func (l *Listeners) All() []*Listener { return l.list }

// Close closes all listeners and the connections that are being prepared, and waits until
// their goroutines have ended. Connections that Accept has returned stay open.
func (l *Listeners) Close() {
	l.closing.Do(func() { close(l.stop) })
	for _, one := range l.list {
		_ = one.Close()
	}
	l.watch.Wait()
}

// Reload rereads the certificate files. If they cannot be used, the previous contents stay
// in use, and the error is a [*FileError].
func (l *Listeners) Reload() error {
	if l.certs == nil {
		return nil
	}
	return l.certs.reload()
}

func (l *Listeners) open(ctx context.Context, a Address) (*Listener, error) {
	var lc net.ListenConfig
	if !l.cfg.KeepAlive {
		lc.KeepAlive = -1
	}
	var ln net.Listener
	var err error
	switch {
	case a.Listener != nil:
		ln = a.Listener
	case a.Network == Unix:
		ln, err = listenUnix(ctx, a)
	default:
		ln, err = lc.Listen(ctx, a.Network, a.Name)
	}
	if err != nil {
		return nil, err
	}
	if l.cfg.Wrap != nil {
		ln = l.cfg.Wrap(ln)
	}
	one := &Listener{Listener: ln, address: a, all: l, closed: make(chan struct{})}
	if a.TLS || a.ProxyProtocol {
		one.prepared = make(chan prepared)
		one.running.Go(one.welcome)
	}
	return one, nil
}

// Stats contains counters since the start, and the current state.
type Stats struct {
	// Pending is the number of connections whose TLS handshake or PROXY header is not
	// complete.
	Pending int
	// Handshakes counts the TLS handshakes that succeeded.
	Handshakes uint64
	// HandshakesFailed counts the others that failed, except for those below.
	HandshakesFailed uint64
	// HandshakesSlow counts those that took longer than Config.HandshakeTimeout.
	HandshakesSlow uint64
	// HandshakesCutOff counts connections that were closed before their TLS handshake or
	// PROXY header was complete, because Config.MaxHandshakes was reached.
	HandshakesCutOff uint64
	// ProxyRefused counts connections of trusted proxies without a valid PROXY header.
	ProxyRefused uint64

	// CertificateExpires is the time at which the first of the certificates sent to clients
	// expires. It is zero without TLS, and while there is no certificate.
	CertificateExpires time.Time
	// ReloadsFailed counts the changes of the files that could not be used.
	ReloadsFailed uint64
	// ReloadError is the reason why the current contents of the files are not in use, or nil
	// if they are.
	ReloadError error
}

type counters struct {
	handshakes, failed, slow, cutOff, proxyRefused atomic.Uint64
}

// Stats returns the counters and the state of the certificate.
func (l *Listeners) Stats() Stats {
	s := Stats{
		Pending:          l.places.count(),
		Handshakes:       l.counts.handshakes.Load(),
		HandshakesFailed: l.counts.failed.Load(),
		HandshakesSlow:   l.counts.slow.Load(),
		HandshakesCutOff: l.counts.cutOff.Load(),
		ProxyRefused:     l.counts.proxyRefused.Load(),
	}
	if c := l.cfg.Certificates; c != nil {
		s.CertificateExpires = c.Expires()
	}
	if l.certs != nil {
		s.CertificateExpires = l.certs.inUse().expires
		s.ReloadsFailed, s.ReloadError = l.certs.problem()
	}
	return s
}

// Listener listens on one address.
type Listener struct {
	net.Listener
	address  Address
	all      *Listeners
	prepared chan prepared // nil if connections need no preparation
	closed   chan struct{}
	closing  sync.Once
	running  sync.WaitGroup
}

// prepared holds the results of Accept.
type prepared struct {
	conn net.Conn
	err  error
}

// URL returns the address of the listener as http://host:port, https://host:port or
// unix:PATH.
func (l *Listener) URL() string { return l.address.url(l.Addr()) }

// Accept waits for the next connection that is ready and returns it.
func (l *Listener) Accept() (net.Conn, error) {
	if l.prepared == nil {
		return l.Listener.Accept()
	}
	select {
	case p := <-l.prepared:
		return p.conn, p.err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close closes the listener and the connections that are being prepared. Further calls have
// no effect.
func (l *Listener) Close() error {
	err := error(nil)
	l.closing.Do(func() {
		close(l.closed)
		err = l.Listener.Close()
		l.all.places.closeOf(l)
	})
	l.running.Wait()
	return err
}

// welcome accepts connections and starts to prepare them, until the listener is closed.
func (l *Listener) welcome() {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) || !l.deliver(nil, err) { // the caller of Accept decides whether to retry
				return
			}
			continue
		}
		from := l.address.ProxyProtocol && l.all.trusted.Load().Trusts(nc.RemoteAddr())
		if !from && !l.address.TLS {
			l.deliver(nc, nil)
			continue
		}
		a := &arrival{Conn: nc, listener: l, fromProxy: from}
		if !l.all.places.enter(a) {
			_ = nc.Close()
			return
		}
		l.running.Go(a.prepare)
	}
}

// deliver passes a connection or an error to Accept. It returns false, and closes the
// connection, if the listener is closed.
func (l *Listener) deliver(nc net.Conn, err error) bool {
	select {
	case l.prepared <- prepared{nc, err}:
		return true
	case <-l.closed:
		if nc != nil {
			_ = nc.Close()
		}
		return false
	}
}
