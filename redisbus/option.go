package redisbus

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"sync"

	"github.com/redis/rueidis"
)

// ClientOption returns the options of a Redis client for the Redis that c names, for a
// program that has other work for it: addresses, credentials, TLS, the name, and
// ProbeTimeout as the time to connect and to be answered in. Commands are not retried and
// nothing is cached, which has to stay so: its connections are checked for bytes that no
// Redis sends in answer to such a client, as those of a Bus are. The error is one that wraps ErrConfig.
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
	o.AlwaysPipelining = true // a reader is always there: it sees a lost connection at once
	o.PipelineMultiplex = -1
	o.RingScaleEachConn = ringScale
	o.ReadBufferEachConn, o.WriteBufferEachConn = writeBuffer, writeBuffer
	o.ConnWriteTimeout = c.ProbeTimeout
	if o.Dialer.KeepAlive == 0 {
		o.Dialer.KeepAlive = max(c.ProbeInterval, minKeepAlive) // how often the client asks whether Redis is there
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
