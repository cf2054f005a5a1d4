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

// Sizes of the client's buffers for each connection, in bytes. The client's defaults are
// half a mebibyte in each direction. The read buffer is the larger one because a subscriber
// receives bursts.
const (
	readBuffer  = 64 << 10
	writeBuffer = 32 << 10
	ringScale   = 6 // up to 2^6 commands or batches in flight; usually there are one or two
)

// minKeepAlive is the minimum interval of the client's own PINGs. If the first one were due
// before the client has started its reader, two goroutines would read, and it would panic.
const minKeepAlive = time.Second

// Settings are the settings that all clients share. Package redisbus defines their defaults
// and validates them.
type Settings struct {
	Name          string        // name of the connection in Redis' CLIENT LIST
	ProbeInterval time.Duration // interval of the client's PINGs
	ProbeTimeout  time.Duration // timeout for connecting, and for a reply
	MaxIncoming   int           // maximum size of a message or reply, in bytes
}

// ClientOption returns the options of a client that uses all nodes of t and finds them by
// itself. The client does not retry commands and caches nothing. This must not be changed,
// because the check of its connections rejects the replies that such features cause.
func (t *Target) ClientOption(s Settings) rueidis.ClientOption {
	o := t.base(s)
	o.InitAddress = t.Addrs
	o.ForceSingleClient = t.Mode == Single
	o.ReadBufferEachConn = writeBuffer
	if o.Dialer.KeepAlive == 0 {
		o.Dialer.KeepAlive = max(s.ProbeInterval, minKeepAlive) // the interval of the client's PINGs
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

// NodeOption returns the options of a client that uses only the node of t at addr. The client
// connects with dial, which must be [Open] or call it.
func (t *Target) NodeOption(s Settings, addr string, dial DialFunc) rueidis.ClientOption {
	o := t.base(s)
	o.InitAddress = []string{addr}
	o.Sentinel = rueidis.SentinelOption{}
	o.ForceSingleClient = true
	o.BlockingPoolSize = 2
	o.BlockingPipeline = -1
	o.ReadBufferEachConn = readBuffer
	// This is the interval of the client's own PINGs. They matter on servers without
	// RESP3 if the user may not use the channel of the heartbeat, because the PINGs of
	// redisbus use another connection there.
	o.Dialer.KeepAlive = max(s.ProbeInterval, minKeepAlive)
	transport, dialer := t.Option, o.Dialer
	o.DialCtxFn = func(ctx context.Context, dst string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
		return dial(ctx, &transport, dst, &dialer, transport.TLSConfig, s.MaxIncoming)
	}
	return o
}

// base returns the options that all clients share: the target's credentials and transport,
// without the client's features that act on their own.
func (t *Target) base(s Settings) rueidis.ClientOption {
	o := t.Option
	o.ClientName = s.Name
	o.DisableRetry = true // a retry could publish twice
	o.DisableCache = true
	o.AlwaysPipelining = true // keeps a reader running, which notices a lost connection immediately
	o.PipelineMultiplex = -1  // use one connection, because several could reorder commands
	o.RingScaleEachConn = ringScale
	o.WriteBufferEachConn = writeBuffer
	o.ConnWriteTimeout = s.ProbeTimeout
	if o.Dialer.Timeout <= 0 {
		o.Dialer.Timeout = s.ProbeTimeout
	}
	o.DialFn = nil
	return o
}

// DialFunc connects to addr with the transport of o. A reply or message may have at most
// limit bytes.
type DialFunc func(
	ctx context.Context, o *rueidis.ClientOption, addr string, d *net.Dialer, t *tls.Config, limit int,
) (net.Conn, error)

// Open connects to addr with the transport of o: its dial functions if it has any, or else
// TCP, with TLS if t is not nil. In every case, the data that Redis sends is checked before
// the client reads it; see [Wrap].
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

// host remembers the host of the last connection. A Cluster with
// cluster-preferred-endpoint-type unknown-endpoint names its nodes only by port, as in
// ":7001". Such a node is on the host where the client reached the Cluster, but Go would
// dial this machine.
type host struct {
	mu   sync.Mutex
	name string
}

// complete returns addr with the host filled in if it is missing.
func (h *host) complete(addr string) string {
	if !strings.HasPrefix(addr, ":") {
		return addr
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return net.JoinHostPort(h.name, addr[1:])
}

// reached records that addr was connected to.
func (h *host) reached(addr string) {
	name, _, err := net.SplitHostPort(addr)
	if err != nil { // addr is the path of a Unix socket
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.name = name
}
