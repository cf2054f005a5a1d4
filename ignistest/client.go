package ignistest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/wire"
)

// patience limits every wait of a Client. In fake time it elapses immediately if nothing
// else can happen.
const patience = time.Minute

// Client is an authenticated client in a test. Its methods fail the test if the
// corresponding method of [client.Conn] returns an error or takes longer than a minute.
// Like [testing.T.FailNow], they must be called from the goroutine of the test.
type Client struct {
	// Conn is the underlying connection. It can be used together with the methods of
	// Client.
	Conn *client.Conn

	t testing.TB
}

// Dial connects a client with the credentials; see [client.Config]. It closes the
// connection when the test ends. To test that a client is rejected, call [client.Dial]
// with s.URL and s.NetDial instead.
func (s *Server) Dial(t testing.TB, credentials any) *Client {
	t.Helper()
	return s.DialConfig(t, client.Config{Credentials: credentials})
}

// DialConfig is like [Server.Dial] for a client with the configuration cfg. It replaces
// cfg.NetDial.
func (s *Server) DialConfig(t testing.TB, cfg client.Config) *Client {
	t.Helper()
	cfg.NetDial = s.NetDial
	if cfg.DialTimeout == 0 {
		cfg.DialTimeout = patience
	}
	c, err := client.Dial(t.Context(), s.URL, cfg)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &Client{Conn: c, t: t}
}

// ID returns the ID of the client.
func (c *Client) ID() string { return c.Conn.ID() }

// Send sends an event, as [client.Conn.Send] does.
func (c *Client) Send(event string, data any) {
	c.t.Helper()
	ctx, cancel := c.patient()
	defer cancel()
	if err := c.Conn.Send(ctx, event, data); err != nil {
		c.t.Fatalf("Send %q: %v", event, err)
	}
}

// Join joins rooms. The test fails if the server refuses any of them.
func (c *Client) Join(rooms ...string) {
	c.t.Helper()
	ctx, cancel := c.patient()
	defer cancel()
	if _, err := c.Conn.Join(ctx, rooms...); err != nil {
		c.t.Fatalf("Join: %v", err)
	}
}

// Request sends an event and waits for the answer. Unless reply is nil, it decodes the data
// of the answer into the value that reply points to. The test fails if the server refuses
// the request.
func (c *Client) Request(event string, data, reply any) {
	c.t.Helper()
	ctx, cancel := c.patient()
	defer cancel()
	m, err := c.Conn.Request(ctx, event, data)
	if err == nil && reply != nil {
		err = m.Decode(reply)
	}
	if err != nil {
		c.t.Fatalf("Request %q: %v", event, err)
	}
}

// RequestError sends an event and returns the error with which the server refuses it. The
// test fails if the server does not refuse it.
func (c *Client) RequestError(event string, data any) *client.Error {
	c.t.Helper()
	ctx, cancel := c.patient()
	defer cancel()
	m, err := c.Conn.Request(ctx, event, data)
	var refused *client.Error
	switch {
	case err == nil:
		c.t.Fatalf("Request %q was answered with %s, want an error", event, text(m))
	case !errors.As(err, &refused):
		c.t.Fatalf("Request %q: %v", event, err)
	}
	return refused
}

// Receive returns the next message.
func (c *Client) Receive() wire.Message {
	c.t.Helper()
	m, err := c.receive()
	if err != nil {
		c.t.Fatalf("Receive: %v", err)
	}
	return m
}

// Expect returns the next message, which must have the given event. Unless v is nil, it
// decodes the data into the value that v points to.
func (c *Client) Expect(event string, v any) wire.Message {
	c.t.Helper()
	m, err := c.receive()
	switch {
	case err != nil:
		c.t.Fatalf("want event %q: %v", event, err)
	case m.Event != event:
		c.t.Fatalf("received %s, want event %q", text(m), event)
	}
	if v != nil {
		if err := m.Decode(v); err != nil {
			c.t.Fatalf("received %s: %v", text(m), err)
		}
	}
	return m
}

// ExpectNothing checks that there is no message to receive and that the connection has not
// ended. It first calls [synctest.Wait], so that no message is in transit. It must
// therefore be called in a bubble; outside of one, the test fails.
func (c *Client) ExpectNothing() {
	c.t.Helper()
	if !settled() {
		c.t.Fatal("ExpectNothing must be called in a testing/synctest bubble")
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Nanosecond)
	defer cancel()
	switch m, err := c.Conn.Receive(ctx); {
	case err == nil:
		c.t.Fatalf("received %s, want nothing", text(m))
	case !errors.Is(err, context.DeadlineExceeded):
		c.t.Fatalf("received nothing, but the connection ended: %v", err)
	}
}

// ExpectClose checks that the server closes the connection with the given code and that
// the client receives no message before.
func (c *Client) ExpectClose(code uint16) {
	c.t.Helper()
	m, err := c.receive()
	var closed *client.CloseError
	switch {
	case err == nil:
		c.t.Fatalf("received %s, want close code %d", text(m), code)
	case !errors.As(err, &closed) || closed.Code != code:
		c.t.Fatalf("the connection ended: %v; want close code %d", err, code)
	}
}

func (c *Client) receive() (wire.Message, error) {
	ctx, cancel := c.patient()
	defer cancel()
	m, err := c.Conn.Receive(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("nothing was received for %v", patience)
	}
	return m, err
}

// patient returns a context for one wait.
func (c *Client) patient() (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.t.Context(), patience)
}

// text returns a message as JSON, for failures.
func text(m wire.Message) string { return string(wire.AppendMessage(nil, m)) }

// settled calls synctest.Wait and reports whether it was called in a bubble.
func settled() (bubble bool) {
	defer func() { bubble = recover() == nil }()
	synctest.Wait()
	return
}
