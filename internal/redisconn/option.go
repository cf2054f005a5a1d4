package redisconn

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// Sizes of what the client allocates per connection. Its own defaults are half
// a mebibyte each way; a subscriber reads in bursts, so it gets the larger part.
const (
	readBuffer  = 64 << 10
	writeBuffer = 32 << 10
	ringScale   = 6 // 2^6 commands or batches in flight; one or two are
)

// minKeepAlive is how often the client may ask of its own. If its first PING falls due
// before it has started its reader, two goroutines read, and it panics.
const minKeepAlive = time.Second

// Settings say how a client connects. Package redisbus has their defaults, and checks them.
type Settings struct {
	Name          string        // in Redis' CLIENT LIST
	ProbeInterval time.Duration // how often the client asks whether Redis is there
	ProbeTimeout  time.Duration // to connect and to be answered in
	MaxIncoming   int           // bytes of one message or reply
}

// ClientOption returns the options of a client for all of t, which finds the nodes by
// itself. Commands are not retried and nothing is cached, which has to stay so: its
// connections are checked for bytes that no Redis sends in answer to such a client.
func (t *Target) ClientOption(s Settings) rueidis.ClientOption {
	o := t.base(s)
	o.InitAddress = t.Addrs
	o.ForceSingleClient = t.Mode == Single
	o.ReadBufferEachConn = writeBuffer
	if o.Dialer.KeepAlive == 0 {
		o.Dialer.KeepAlive = max(s.ProbeInterval, minKeepAlive) // how often the client asks whether Redis is there
	}
	transport, last := t.Option, new(host)
	o.DialCtxFn = func(ctx context.Context, addr string, d *net.Dialer, secure *tls.Config) (net.Conn, error) {
		addr = last.complete(addr)
		conn, err := Open(ctx, &transport, addr, d, secure, s.MaxIncoming)
		if err == nil {
			last.reached(addr)
		}
		return conn, err
	}
	return o
}

// NodeOption returns the options of a client for the node of t at addr, which connects with
// dial: with [Open], or what calls it.
func (t *Target) NodeOption(s Settings, addr string, dial DialFunc) rueidis.ClientOption {
	o := t.base(s)
	o.InitAddress = []string{addr}
	o.Sentinel = rueidis.SentinelOption{}
	o.ForceSingleClient = true
	o.BlockingPoolSize = 2
	o.BlockingPipeline = -1
	o.ReadBufferEachConn = readBuffer
	// The client sends a PING of its own as often as this says. It matters on
	// servers without RESP3 for a user who may not use the heartbeat's channel: our
	// PING goes over another connection there.
	o.Dialer.KeepAlive = max(s.ProbeInterval, minKeepAlive)
	transport, dialer := t.Option, o.Dialer
	o.DialCtxFn = func(ctx context.Context, dst string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
		return dial(ctx, &transport, dst, &dialer, transport.TLSConfig, s.MaxIncoming)
	}
	return o
}

// base returns what the options of all clients have in common: the target's credentials and
// transport, and nothing that acts behind our back.
func (t *Target) base(s Settings) rueidis.ClientOption {
	o := t.Option
	o.ClientName = s.Name
	o.DisableRetry = true // a retry could publish twice
	o.DisableCache = true
	o.AlwaysPipelining = true // a reader is always there: it sees a lost connection at once
	o.PipelineMultiplex = -1  // one connection: two could reorder
	o.RingScaleEachConn = ringScale
	o.WriteBufferEachConn = writeBuffer
	o.ConnWriteTimeout = s.ProbeTimeout
	if o.Dialer.Timeout <= 0 {
		o.Dialer.Timeout = s.ProbeTimeout
	}
	o.DialFn = nil
	return o
}

// DialFunc connects as o says. One reply or message may have limit bytes.
type DialFunc func(
	ctx context.Context, o *rueidis.ClientOption, addr string, d *net.Dialer, t *tls.Config, limit int,
) (net.Conn, error)

// Open connects as o says. Whatever the way: what Redis sends over it is checked before the
// client reads it, which takes it on trust.
func Open(
	ctx context.Context, o *rueidis.ClientOption, addr string, d *net.Dialer, t *tls.Config, limit int,
) (conn net.Conn, err error) {
	switch {
	case o.DialCtxFn != nil:
		conn, err = o.DialCtxFn(ctx, addr, d, t)
	case o.DialFn != nil:
		conn, err = o.DialFn(addr, d, t)
	case t != nil:
		conn, err = (&tls.Dialer{NetDialer: d, Config: t}).DialContext(ctx, "tcp", addr)
	default:
		conn, err = d.DialContext(ctx, "tcp", addr)
	}
	if err != nil {
		return nil, err
	}
	return Wrap(conn, limit), nil
}

// host is the one that was connected to last. A Cluster with cluster-preferred-endpoint-type
// unknown-endpoint names its nodes by their ports alone, as ":7001": they are at the host by
// which the client has reached the Cluster, while ":7001" by itself is this machine.
type host struct {
	mu   sync.Mutex
	name string
}

func (h *host) complete(addr string) string {
	if !strings.HasPrefix(addr, ":") {
		return addr
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return net.JoinHostPort(h.name, addr[1:])
}

func (h *host) reached(addr string) {
	name, _, err := net.SplitHostPort(addr)
	if err != nil { // a socket's path
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.name = name
}
