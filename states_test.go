package ignis_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

const authenticate = `{"event":"authenticate","data":{"type":"Bearer","token":"` + secret + `"}}`

// hang is the body of a callback that runs until its client disconnects.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return fmt.Errorf("interrupted: %w", ctx.Err())
}

func TestNoAuthenticateInTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{})
		p := n.connect()
		time.Sleep(5*time.Second - 1)
		p.text(`{"event":"heartbeat"}`) // does not extend the time
		p.text(`{"event":"x"}`)
		p.only(failure(wire.ErrorUnauthenticated))
		time.Sleep(time.Nanosecond)
		p.only(closed(4001)...)
		if s := n.Stats(); s.Disconnects["authentication timeout"] != 1 || s.Clients != 0 {
			t.Errorf("counted %v, %d clients", s.Disconnects, s.Clients)
		}
	})
}

// Once a client has sent its credentials, authentication and key agreement together have
// three times AuthTimeout, and their contexts end with it.
func TestAuthenticationTakesTooLong(t *testing.T) {
	slow := func(ctx context.Context) error {
		select {
		case <-time.After(8 * time.Second):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for name, row := range map[string]struct{ authenticate, handshake func(context.Context) error }{
		"authenticate hangs":    {hang, nil},
		"handshake hangs":       {func(context.Context) error { return nil }, hang},
		"too late together":     {slow, slow},
		"ignores its context":   {func(context.Context) error { time.Sleep(time.Minute); return nil }, nil},
		"returns just too late": {func(context.Context) error { time.Sleep(15*time.Second + 1); return nil }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				ended := make(chan error, 2)
				letIn, disconnects := false, 0
				n := startMem(t, ignis.Config{
					Encryption: required(row.handshake != nil),
					Authenticate: func(ctx context.Context, _ ignis.Credentials) (ignis.Identity, error) {
						err := row.authenticate(ctx)
						ended <- ctx.Err()
						letIn = err == nil
						return ignis.Identity{UserID: "ann"}, err
					},
					AgreeKeys: func(ctx context.Context, _ *ignis.Client, _ ignis.Credentials) (*ignis.Cipher, error) {
						err := row.handshake(ctx)
						ended <- ctx.Err()
						return &ignis.Cipher{Seal: func(b []byte) ([]byte, error) { return b, nil }}, err
					},
					OnConnect:       func(context.Context, *ignis.Client) { t.Error("connected") },
					OnDisconnect:    func(context.Context, *ignis.Client, ignis.Disconnect) { disconnects++ },
					ShutdownTimeout: 5 * time.Minute,
				})
				p := n.connect()
				time.Sleep(5*time.Second - 1)
				p.text(authenticate)
				time.Sleep(15*time.Second - 1)
				p.only()
				time.Sleep(time.Nanosecond)
				p.only(closed(4001)...)
				time.Sleep(time.Hour)
				if row.handshake != nil {
					<-ended
				}
				if err := <-ended; !errors.Is(err, context.Canceled) {
					t.Errorf("context at the end: %v", err)
				}
				synctest.Wait()
				if (disconnects == 1) != letIn {
					t.Errorf("OnDisconnect was called %d times; Authenticate let the client in: %v", disconnects, letIn)
				}
				if s := n.Stats(); s.Disconnects["authentication timeout"] != 1 || s.CallbackErrors != 0 || s.RefusedAuth != 0 {
					t.Errorf("counted %+v", s)
				}
			})
		})
	}
}

// A second authenticate does not extend the time.
func TestSecondAuthenticateDoesNotProlong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{AuthMaxMistakes: 14, Authenticate: func(ctx context.Context, _ ignis.Credentials) (ignis.Identity, error) {
			return ignis.Identity{}, hang(ctx)
		}})
		p := n.connect()
		p.text(authenticate)
		for range 14 {
			time.Sleep(time.Second)
			p.text(authenticate)
			p.text(`{"event":"heartbeat"}`)
			p.only(failure(wire.ErrorAuthenticated))
		}
		time.Sleep(time.Second)
		p.only(closed(4001)...)
	})
}

// If authentication and its timeout coincide, either may win, but not both.
func TestAuthenticatedExactlyInTime(t *testing.T) {
	for range 50 {
		bubble(t, func(t *testing.T) {
			connects, disconnects := 0, 0
			n := startMem(t, ignis.Config{
				Authenticate: func(context.Context, ignis.Credentials) (ignis.Identity, error) {
					time.Sleep(15 * time.Second)
					return ignis.Identity{}, nil
				},
				OnConnect:    func(context.Context, *ignis.Client) { connects++ },
				OnDisconnect: func(context.Context, *ignis.Client, ignis.Disconnect) { disconnects++ },
			})
			p := n.connect()
			p.text(authenticate)
			time.Sleep(16 * time.Second)
			got := p.got()
			switch {
			case slices.Equal(got, closed(4001)) && connects == 0 && disconnects == 1:
			case len(got) == 1 && connects == 1 && disconnects == 0:
			default:
				t.Errorf("received %q with %d connect and %d disconnect callbacks", got, connects, disconnects)
			}
		})
	}
}

func TestHeartbeatTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := &heard{}
		n := startMem(t, ignis.Config{OnMessage: h.message})
		start := time.Now()
		silent, lively, talking := n.login("silent"), n.login("lively"), n.login("talking")
		gone := func(p *peer) bool { return slices.Contains(p.got(), closed(4002)[0]) }
		for time.Since(start) <= 10*time.Minute {
			time.Sleep(10 * time.Second)
			lively.text(`{"event":"heartbeat"}`)
			talking.text(`{"event":"x"}`)
			// Control frames, which only show that the machine is alive, do not count.
			silent.send(ws.OpPing, nil)
			silent.send(ws.OpPong, nil)
			if time.Since(start) == 90*time.Second && gone(silent) {
				t.Error("closed after 90 s; want more than that")
			}
			if gone(lively) || gone(talking) {
				t.Fatal("a client that sends was closed")
			}
			if time.Since(start) == 120*time.Second {
				break
			}
		}
		if s := n.Stats(); !gone(silent) || s.Disconnects["heartbeat timeout"] != 1 || s.Clients != 2 {
			t.Errorf("counted %v, %d clients", s.Disconnects, s.Clients)
		}
	})
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{HeartbeatInterval: time.Second, HeartbeatTimeout: 2 * time.Second})
		p := n.login("ann")
		waiting := n.connect() // the sweep skips unauthenticated clients
		p.expect(closed(4002)...)
		waiting.only()
	})
}

// refusals lists the ways in which a client can be refused.
var refusals = []struct {
	name       string
	err        error
	panics     bool
	encryption bool
	handshake  func() (*ignis.Cipher, error)
	lines      []string
	code       uint16
	errors     uint64
}{
	{name: "rejected", err: ignis.ErrUnauthenticated, lines: []string{failure("Authentication failed")}, code: 4003},
	{name: "rejected with a reason", err: fmt.Errorf("no such user: %w", ignis.ErrUnauthenticated), lines: []string{failure("Authentication failed")}, code: 4003},
	{name: "callback failed", err: errors.New("no database"), lines: []string{failure("Authentication error")}, code: 4003, errors: 1},
	{name: "callback panicked", panics: true, lines: []string{failure("Authentication error")}, code: 4003, errors: 1},
	{name: "no handshake", encryption: true, code: 4004},
	{name: "handshake refused", encryption: true, handshake: func() (*ignis.Cipher, error) { return nil, nil }, lines: []string{failure("Encryption handshake failed")}, code: 4004},
	{name: "handshake failed", encryption: true, handshake: func() (*ignis.Cipher, error) { return nil, errors.New("bad key") }, lines: []string{failure("Encryption handshake failed")}, code: 4004, errors: 1},
	{name: "handshake panicked", encryption: true, handshake: func() (*ignis.Cipher, error) { panic("bad point") }, lines: []string{failure("Encryption handshake failed")}, code: 4004, errors: 1},
	{name: "session that cannot seal", encryption: true, handshake: func() (*ignis.Cipher, error) { return &ignis.Cipher{}, nil }, lines: []string{failure("Encryption handshake failed")}, code: 4004, errors: 1},
}

func TestRefusals(t *testing.T) {
	for _, row := range refusals {
		t.Run(row.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				disconnects := 0
				cfg := ignis.Config{
					Encryption: required(row.encryption),
					Authenticate: func(context.Context, ignis.Credentials) (ignis.Identity, error) {
						if row.panics {
							panic("no luck")
						}
						return ignis.Identity{UserID: "ann"}, row.err
					},
					OnConnect: func(context.Context, *ignis.Client) { t.Error("connected") },
					OnDisconnect: func(_ context.Context, c *ignis.Client, d ignis.Disconnect) {
						if disconnects++; c.UserID != "ann" || d.Code != row.code || len(d.Rooms) > 0 {
							t.Errorf("%+v: %+v", c, d)
						}
					},
				}
				if row.handshake != nil {
					cfg.AgreeKeys = func(context.Context, *ignis.Client, ignis.Credentials) (*ignis.Cipher, error) {
						return row.handshake()
					}
				}
				n := startMem(t, cfg)
				p := n.connect()
				p.text(authenticate)
				p.only(append(slices.Clone(row.lines), closed(row.code)...)...)
				s := n.Stats()
				if s.RefusedAuth != 1 || s.CallbackErrors != row.errors || s.Clients != 0 || s.Users != 0 || s.Rooms != 0 {
					t.Errorf("counted %+v", s)
				}
				// OnDisconnect must release what Authenticate acquired, even if the client is
				// then refused.
				if letIn := !row.panics && row.err == nil; (disconnects == 1) != letIn {
					t.Errorf("OnDisconnect was called %d times; Authenticate let the client in: %v", disconnects, letIn)
				}
			})
		})
	}
}

// The error event precedes the close frame over a real socket as well. It takes many tries
// to detect that one of them is lost.
func TestErrorComesBeforeClose(t *testing.T) {
	n := start(t, ignis.Config{})
	for range 100 {
		p := n.connect()
		p.text(`{"event":"authenticate","data":{"token":"bad"}}`)
		p.expect(failure("Authentication failed"))
		p.expect(closed(4003)...)
	}
}

func TestAgreeKeysIsNotCalledWithoutEncryption(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{AgreeKeys: func(context.Context, *ignis.Client, ignis.Credentials) (*ignis.Cipher, error) {
			t.Error("called")
			return nil, nil
		}})
		n.login("ann")
	})
}

// A callback's context ends when its client disconnects.
func TestContextEndsWithTheClient(t *testing.T) {
	for _, callback := range []string{"Authenticate", "AgreeKeys", "OnConnect", "ValidateRooms", "OnMessage"} {
		t.Run(callback, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				began, ended := false, false
				in := func(ctx context.Context, name string) {
					if name == callback {
						began = true
						<-ctx.Done()
						ended = true
					}
				}
				n := startMem(t, ignis.Config{
					Authenticate: func(ctx context.Context, _ ignis.Credentials) (ignis.Identity, error) {
						in(ctx, "Authenticate")
						return ignis.Identity{}, ctx.Err()
					},
					Encryption: required(callback == "AgreeKeys"),
					AgreeKeys: func(ctx context.Context, _ *ignis.Client, _ ignis.Credentials) (*ignis.Cipher, error) {
						in(ctx, "AgreeKeys")
						return nil, ctx.Err()
					},
					OnConnect: func(ctx context.Context, _ *ignis.Client) { in(ctx, "OnConnect") },
					ValidateRooms: func(ctx context.Context, _ *ignis.Client, rooms []string) ([]string, error) {
						in(ctx, "ValidateRooms")
						return rooms, nil
					},
					OnMessage: func(ctx context.Context, _ *ignis.Client, _ wire.Message) (any, error) {
						in(ctx, "OnMessage")
						return nil, nil
					},
				})
				p := n.connect()
				p.text(authenticate)
				synctest.Wait()
				p.text(`{"event":"join","data":{"rooms":["a"]}}`)
				p.text(`{"event":"x"}`)
				p.got()
				if !began || ended {
					t.Fatalf("began: %v, ended: %v", began, ended)
				}
				_ = p.conn.Close()
				if synctest.Wait(); !ended {
					t.Error("the callback still waits after the client has disconnected")
				}
				if s := n.Stats(); s.CallbackErrors != 0 || s.RefusedAuth != 0 || s.Clients != 0 {
					t.Errorf("counted %+v", s)
				}
			})
		})
	}
}

// A peer that does not answer pings is disconnected; one that does may be silent.
func TestIdleTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{HeartbeatTimeout: time.Hour})
		deaf := n.raw()
		deaf.deaf = true
		deaf.pump()
		deaf.authenticate("deaf")
		quiet := n.login("quiet")
		time.Sleep(59 * time.Second)
		deaf.only()
		time.Sleep(9 * time.Second)
		deaf.only("<end>")
		time.Sleep(10 * time.Minute)
		quiet.only()
		if s := n.Stats(); s.Disconnects["idle timeout"] != 1 || s.Clients != 1 {
			t.Errorf("counted %v, %d clients", s.Disconnects, s.Clients)
		}
	})
	bubble(t, func(t *testing.T) { // off
		n := startMem(t, ignis.Config{HeartbeatTimeout: time.Hour, IdleTimeout: -1})
		p := n.login("ann")
		time.Sleep(50 * time.Minute)
		p.only()
		if read := n.Clients()[0]; read.State != ignis.StateAuthenticated {
			t.Error("dropped")
		}
	})
}
