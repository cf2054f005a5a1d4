package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/wire"
)

// driver is the application.
type driver struct {
	printer
	url string
	wg  sync.WaitGroup

	mu      sync.Mutex
	cfg     client.Config
	provide bool
	timeout time.Duration      // of requests
	attempt context.CancelFunc // ends the attempt or connection; nil if there is none
	number  int                // of attempts
	conn    *client.Conn       // nil unless connected
	asks    []chan command     // by number, from 1
	rooms   map[string]string  // of the handles
	cancels map[string]context.CancelFunc

	written chan struct{} // capacity 1: the client has written something
}

func newDriver(out io.Writer, url string) *driver {
	return &driver{
		printer: printer{out: out}, url: url, timeout: 10 * time.Second,
		rooms: make(map[string]string), cancels: make(map[string]context.CancelFunc), written: make(chan struct{}, 1),
	}
}

func millis(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

func (d *driver) obey(c command) error {
	switch c.Do {
	case "new":
		d.make(c)
	case "connect":
		d.connect()
	case "close":
		d.close()
	case "send":
		d.send(c)
	case "cancel":
		d.mu.Lock()
		defer d.mu.Unlock()
		if cancel := d.cancels[c.Ref]; cancel != nil {
			cancel()
		}
	case "room", "leave":
		d.room(c)
	case "provide":
		d.mu.Lock()
		defer d.mu.Unlock()
		d.asks[c.Ask-1] <- c
	default:
		return fmt.Errorf("unknown command %q", c.Do)
	}
	return nil
}

func (d *driver) make(c command) {
	d.cfg = client.Config{
		Software: client.Software(c.Software), Encrypt: c.Encryption, EncryptionInfo: c.Info,
		HeartbeatInterval: millis(c.Options.Heartbeat), DialTimeout: millis(c.Options.ConnectTimeout), NetDial: d.netDial,
	}
	if c.Credentials != nil {
		d.cfg.Credentials = c.Credentials
	}
	if d.provide = c.Provide; d.provide {
		d.cfg.Refresh = func(ctx context.Context) (any, error) {
			credentials, err := d.ask(ctx, "refresh")
			if err != nil {
				d.print(map[string]any{"error": err.Error()})
			}
			return credentials, err
		}
	}
	if c.Options.RequestTimeout > 0 {
		d.timeout = millis(c.Options.RequestTimeout)
	}
}

// ask calls the provider.
func (d *driver) ask(ctx context.Context, reason string) (json.RawMessage, error) {
	answer := make(chan command, 1)
	d.mu.Lock()
	d.asks = append(d.asks, answer)
	n := len(d.asks)
	d.mu.Unlock()
	d.print(map[string]any{"asked": reason, "ask": n})
	select {
	case c := <-answer:
		if c.Error != "" {
			return nil, errors.New(c.Error)
		}
		return c.Credentials, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// connect starts an attempt, unless there is an attempt or a connection.
func (d *driver) connect() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.attempt != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	d.attempt = cancel
	d.number++
	n := d.number
	d.print(map[string]any{"state": "connecting"})
	d.wg.Go(func() { d.ended(n, d.live(ctx, n)) })
}

// live connects and receives messages until the end, and returns the reason.
func (d *driver) live(ctx context.Context, n int) error {
	cfg := d.cfg
	if d.provide {
		credentials, err := d.ask(ctx, "connect")
		if err != nil {
			return err
		}
		cfg.Credentials = credentials
	}
	conn, err := client.Dial(ctx, d.url, cfg)
	if err != nil {
		return err
	}
	defer conn.Close()
	if !d.current(n, func() {
		d.conn = conn
		report := map[string]any{"state": "connected", "id": conn.ID(), "protocol": conn.Connected().Protocol}
		if conn.UserID() != "" {
			report["userId"] = conn.UserID()
		}
		d.print(report)
	}) {
		return client.ErrClosed
	}
	for {
		m, err := conn.Receive(ctx)
		if err != nil {
			return err
		}
		d.current(n, func() { d.deliver(m, conn.Connected().Protocol) })
	}
}

// current calls f unless the attempt or connection with this number was closed.
func (d *driver) current(n int, f func()) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.number != n || d.attempt == nil {
		return false
	}
	f()
	return true
}

// deliver reports a message, unless it is one of the protocol.
func (d *driver) deliver(m wire.Message, protocol int) {
	switch _, system := wire.LookupEvent(m.Event, protocol); {
	case m.Event == wire.EventError && m.ID == "":
		d.print(map[string]any{"error": string(m.Data)})
	case !system:
		message := map[string]any{"event": m.Event}
		if m.Data != nil {
			message["data"] = m.Data
		}
		if m.Room != "" {
			message["room"] = m.Room
		}
		if m.From != (wire.Sender{}) {
			message["from"] = m.From
		}
		d.print(map[string]any{"message": message})
	}
}

// ended reports the end of an attempt or connection, unless the application closed it.
func (d *driver) ended(n int, err error) {
	d.current(n, func() {
		connected := d.conn != nil
		d.attempt()
		d.attempt, d.conn = nil, nil
		report := map[string]any{"state": "closed", "code": reason(err)}
		var closed *client.CloseError
		if errors.As(err, &closed) {
			report["closeCode"], report["text"] = closed.Code, closed.Reason
		}
		switch said, refused := errors.AsType[*client.Error](err); {
		case refused && connected: // a refresh was refused
			d.print(map[string]any{"error": err.Error()})
		case refused:
			report["text"], report["serverCode"] = said.Message, said.Code
		}
		d.print(report)
	})
}

// close ends the attempt or the connection.
func (d *driver) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.attempt == nil {
		return
	}
	d.attempt()
	if conn := d.conn; conn != nil {
		d.wg.Go(func() { _ = conn.Close() }) // waits for the server
	}
	d.attempt, d.conn = nil, nil
	d.print(map[string]any{"state": "closed"})
}

// netDial is the dialer of the client. Its connections say when something was written.
func (d *driver) netDial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return writtenConn{conn, d.written}, nil
}

type writtenConn struct {
	net.Conn
	written chan<- struct{}
}

func (c writtenConn) Write(b []byte) (int, error) {
	defer func() {
		select {
		case c.written <- struct{}{}:
		default:
		}
	}()
	return c.Conn.Write(b)
}
