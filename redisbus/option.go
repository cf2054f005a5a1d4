package redisbus

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"sync"

	"github.com/redis/rueidis"
)

// ClientOption returns the options of a Redis client for the Redis that c names, for
// a program that has other uses for it: addresses, credentials, TLS, the name, and
// ProbeTimeout as the timeout for connecting and answers. The options disable retries
// and the cache, and the caller must not change that, because the connections are
// checked, like those of a Bus, for data that Redis would not send to such a client.
// The error wraps ErrConfig.
func (c Config) ClientOption() (rueidis.ClientOption, error) {
	c, t, err := c.prepare()
	if err != nil {
		return rueidis.ClientOption{}, err
	}
	o := t.option
	o.InitAddress = t.addrs
	o.ClientName = c.Name
	o.ForceSingleClient = t.mode == single
	o.DisableRetry = true
	o.DisableCache = true
	o.AlwaysPipelining = true // keeps a reader running, which sees a lost connection at once
	o.PipelineMultiplex = -1
	o.RingScaleEachConn = ringScale
	o.ReadBufferEachConn, o.WriteBufferEachConn = writeBuffer, writeBuffer
	o.ConnWriteTimeout = c.ProbeTimeout
	if o.Dialer.KeepAlive == 0 {
		o.Dialer.KeepAlive = max(c.ProbeInterval, minKeepAlive) // how often the client checks that Redis is there
	}
	if o.Dialer.Timeout <= 0 {
		o.Dialer.Timeout = c.ProbeTimeout
	}
	transport, last := t.option, new(host)
	o.DialFn = nil
	o.DialCtxFn = func(ctx context.Context, addr string, d *net.Dialer, secure *tls.Config) (net.Conn, error) {
		addr = last.complete(addr)
		conn, err := open(ctx, &transport, addr, d, secure, c.MaxIncoming)
		if err == nil {
			last.reached(addr)
		}
		return conn, err
	}
	return o, nil
}

// host is the host that was connected to last. A Cluster with
// cluster-preferred-endpoint-type unknown-endpoint names its nodes by port only, as
// ":7001". They are at the host by which the client reached the Cluster, while
// ":7001" by itself would be this machine.
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
	if err != nil { // a path of a Unix socket
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.name = name
}
