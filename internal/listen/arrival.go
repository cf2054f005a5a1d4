package listen

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"
	"time"
)

// arrival is a connection that is being prepared. A TLS connection keeps it as its
// underlying connection; it then only forwards calls.
type arrival struct {
	net.Conn
	listener  *Listener
	fromProxy bool // begins with a PROXY header
	ready     bool // is prepared
	heard     bool // its peer has sent something, after the PROXY header if there is one
	working   bool // has put an element into Listeners.work

	// Guarded by places.mu.
	since  time.Time     // when it began to wait for its peer; zero if it does not wait
	waited time.Duration // total time of earlier waits
	cutOff bool          // was closed to make room
}

// prepare prepares the connection and passes it to Accept, or closes it.
func (a *arrival) prepare() {
	l := a.listener
	nc, err := a.establish()
	a.rest()
	a.ready = true
	kept := l.all.places.leave(a)
	if err == nil && kept {
		l.deliver(nc, nil)
		return
	}
	l.all.tell(a, err, kept)
	_ = a.Conn.Close()
}

// establish reads the PROXY header and performs the TLS handshake, if the connection has
// them.
func (a *arrival) establish() (net.Conn, error) {
	cfg := &a.listener.all.cfg
	var client net.Addr
	if a.fromProxy {
		_ = a.SetDeadline(time.Now().Add(cfg.HeaderTimeout))
		var err error
		if client, err = readHeader(a); err != nil {
			return nil, &headerError{err}
		}
		a.heard = false
	}
	nc := a.Conn
	if a.listener.address.TLS {
		_ = a.SetDeadline(time.Now().Add(cfg.HandshakeTimeout))
		secure := tls.Server(a, a.listener.all.tlsConfig())
		if err := secure.Handshake(); err != nil {
			a.answerPlain(err)
			return nil, err
		}
		if secure.ConnectionState().NegotiatedProtocol == challengeProtocol {
			_ = secure.Close()
			return nil, errChallenge
		}
		a.listener.all.counts.handshakes.Add(1)
		nc = secure
	}
	if err := a.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	if a.fromProxy {
		return &proxied{Conn: nc, client: client}, nil
	}
	return nc, nil
}

// errChallenge says that the connection was that of an authority which verifies a domain, and has
// served its purpose.
var errChallenge = errors.New("the connection was a challenge")

// answerPlain answers a plain HTTP request to an address that expects TLS. err is the error
// of the handshake.
func (a *arrival) answerPlain(err error) {
	record, ok := errors.AsType[tls.RecordHeaderError](err)
	if !ok || record.Conn == nil {
		return
	}
	switch string(record.RecordHeader[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		_, _ = a.Write([]byte("HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n" +
			"This address speaks TLS: use https:// or wss://.\n"))
		_ = a.CloseWrite()
		// Closing with unread data resets the connection, and the answer could be lost.
		_, _ = io.CopyN(io.Discard, a, maxRequest)
	}
}

// maxRequest is the maximum number of bytes of a plain HTTP request that are read.
const maxRequest = 16 << 10

// tell counts and logs why a connection was not prepared.
func (l *Listeners) tell(a *arrival, err error, kept bool) {
	remote := []any{"remote", a.RemoteAddr().String()}
	bad, isHeader := errors.AsType[*headerError](err)
	record, isRecord := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case kept && (errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe)):
		// The listener was closed.
	case errors.Is(err, errChallenge):
		l.cfg.Log.Log(slog.LevelDebug, "an authority has verified a domain", remote...)
	case kept && !a.heard && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)):
		// Load balancers check whether the port is open by connecting and closing.
	case !kept:
		l.counts.cutOff.Add(1)
		l.cfg.Log.Log(slog.LevelWarn, "connection closed before its TLS handshake or PROXY header was complete: too many others are waiting", remote...)
	case isHeader:
		l.counts.proxyRefused.Add(1)
		l.cfg.Log.Log(slog.LevelWarn, "connection refused: a trusted proxy did not send a PROXY header", append(remote, "error", bad)...)
	case errors.Is(err, os.ErrDeadlineExceeded):
		l.counts.slow.Add(1)
		l.cfg.Log.Log(slog.LevelInfo, "TLS handshake failed", append(remote, "error", "it took longer than "+l.cfg.HandshakeTimeout.String())...)
	case isRecord && beginsHeader(record.RecordHeader[:]):
		l.counts.failed.Add(1)
		l.cfg.Log.Log(slog.LevelWarn, "TLS handshake failed", append(remote, "error", "it began with a PROXY header, which is accepted only from trusted proxies")...)
	default:
		l.counts.failed.Add(1)
		l.cfg.Log.Log(slog.LevelInfo, "TLS handshake failed", append(remote, "error", err)...)
	}
}

// Read records when the connection waits for its peer. After a read, the handshake computes,
// which only a few connections may do at a time: hundreds of runnable goroutines would delay
// each message of a client.
func (a *arrival) Read(b []byte) (int, error) {
	if a.ready {
		return a.Conn.Read(b)
	}
	a.rest()
	places := a.listener.all.places
	places.waits(a, true)
	n, err := a.Conn.Read(b)
	places.waits(a, false)
	if n > 0 {
		a.heard = true
		a.listener.all.work <- struct{}{}
		a.working = true
	}
	return n, err
}

func (a *arrival) Write(b []byte) (int, error) {
	if !a.ready {
		a.rest()
	}
	return a.Conn.Write(b)
}

// rest lets another connection compute.
func (a *arrival) rest() {
	if a.working {
		a.working = false
		<-a.listener.all.work
	}
}

// Servers use the following methods of the socket below TLS.

// CloseWrite closes the writing side of the connection.
func (a *arrival) CloseWrite() error {
	if c, ok := a.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}

// SetLinger sets what Close does with unsent data. It has no effect on Unix sockets.
func (a *arrival) SetLinger(sec int) error {
	if c, ok := a.Conn.(interface{ SetLinger(int) error }); ok {
		return c.SetLinger(sec)
	}
	return nil
}

// SetWriteBuffer sets the size of the kernel's send buffer.
func (a *arrival) SetWriteBuffer(bytes int) error {
	if c, ok := a.Conn.(interface{ SetWriteBuffer(int) error }); ok {
		return c.SetWriteBuffer(bytes)
	}
	return nil
}

// SyscallConn returns the raw connection.
func (a *arrival) SyscallConn() (syscall.RawConn, error) {
	if c, ok := a.Conn.(syscall.Conn); ok {
		return c.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}
