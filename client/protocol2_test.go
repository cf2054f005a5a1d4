package client_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/wire"
)

func TestConnectedOfProtocol2(t *testing.T) {
	end := time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC)
	for name, row := range map[string]struct {
		more string // additional data of connected
		want client.Connected
		err  error
	}{
		"all": {
			`,"protocol":2,"expires":"2026-01-31T10:00:00.000Z","heartbeat":90000,"maxPayload":131072,"server":"ignis/1.2"`,
			client.Connected{Protocol: 2, Expires: end, Heartbeat: 90 * time.Second, MaxPayload: 128 << 10, Server: "ignis/1.2"},
			nil,
		},
		"nothing":                {`,"protocol":2`, client.Connected{Protocol: 2}, nil},
		"impossible":             {`,"protocol":2,"heartbeat":-1,"maxPayload":-1`, client.Connected{Protocol: 2}, nil},
		"long":                   {`,"protocol":2,"heartbeat":9223372036854775807`, client.Connected{Protocol: 2, Heartbeat: 24 * time.Hour}, nil},
		"protocol 1":             {`,"protocol":1,"heartbeat":5`, client.Connected{Protocol: 1}, nil},
		"protocol 1, own fields": {`,"expires":1,"heartbeat":"x","maxPayload":5,"server":{}`, client.Connected{Protocol: 1}, nil},
		"another protocol":       {`,"protocol":"2"`, client.Connected{Protocol: 1}, nil},
		"invalid time":           {`,"protocol":2,"expires":"soon"`, client.Connected{}, client.ErrProtocol},
		"wrong type":             {`,"protocol":2,"expires":5`, client.Connected{}, client.ErrProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			url := serve(t, func(p *peer) {
				_, _, _ = p.next()
				p.text(strings.Replace(authenticated, `}}`, row.more+`}}`, 1))
				p.drain()
			})
			c, err := client.Dial(t.Context(), url, client.Config{})
			if err != nil {
				if row.err == nil || !errors.Is(err, row.err) {
					t.Errorf("Dial: %v, want %v", err, row.err)
				}
				return
			}
			defer c.Close()
			got := c.Connected()
			if row.err != nil || got.ID != "c1" || got.Protocol != row.want.Protocol || !got.Expires.Equal(row.want.Expires) ||
				got.Heartbeat != row.want.Heartbeat || got.MaxPayload != row.want.MaxPayload || got.Server != row.want.Server {
				t.Errorf("got %+v, want %+v, %v", got, row.want, row.err)
			}
		})
	}
}

// Heartbeats are sent at half of the server's timeout, unless they are more frequent
// anyway.
func TestHeartbeatsOfProtocol2(t *testing.T) {
	for _, row := range []struct {
		set    time.Duration
		server string
		want   time.Duration
	}{
		{0, "20000", 10 * time.Second},
		{0, "90000", 30 * time.Second},
		{time.Second, "20000", time.Second},
		{0, "1", 100 * time.Millisecond},
		{50 * time.Millisecond, "1", 50 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			cfg := client.Config{HeartbeatInterval: row.set}
			cfg.NetDial = inMemory(t, func(p *peer) {
				p.accept2(`,"heartbeat":` + row.server)
				start := time.Now()
				for i := range 5 {
					p.expect(heartbeat)
					if got, want := time.Since(start), time.Duration(i+1)*row.want; got != want {
						p.t.Errorf("%v: heartbeat %d after %v, want %v", row, i, got, want)
					}
					if op, _, _ := p.next(); op != ws.OpPing {
						p.fatalf("got %x, want a ping", op)
					}
					p.raw(encode(ws.OpPong, ""))
				}
				p.raw(numbered(0))
				p.drain()
			})
			wantReceive(t, dial(t, "ws://server/ws", cfg), 0, 1)
		})
	}
	synctest.Test(t, func(t *testing.T) { // no heartbeats, even if the server announces a timeout
		cfg := client.Config{HeartbeatInterval: -1}
		cfg.NetDial = inMemory(t, func(p *peer) {
			p.accept2(`,"heartbeat":1000`)
			_ = p.conn.SetReadDeadline(time.Now().Add(time.Hour))
			if op, got, ok := p.next(); ok {
				p.t.Errorf("got %x %q, want nothing", op, got)
			}
		})
		if _, err := dial(t, "ws://server/ws", cfg).Receive(t.Context()); !errors.Is(err, client.ErrLost) {
			t.Error(err)
		}
	})
}

func TestRoomMessages(t *testing.T) {
	url := serve2(t, func(p *peer) {
		p.text(`{"event":"say","data":1,"room":"lobby","offset":42,"from":{"id":"c2","userId":"bob"}}`)
		p.text(`{"event":"say","data":2}`)
		p.drain()
	})
	c := dial(t, url, client.Config{})
	m, err := c.Receive(t.Context())
	if err != nil || m.Room != "lobby" || m.From != (wire.Sender{ID: "c2", UserID: "bob"}) || string(m.Data) != "1" {
		t.Errorf("got %+v, %v", m, err)
	}
	if m, err := c.Receive(t.Context()); err != nil || m.Room != "" || m.From != (wire.Sender{}) {
		t.Errorf("got %+v, %v", m, err)
	}
}

func TestJoinAndLeave(t *testing.T) {
	url := serve2(t, func(p *peer) {
		p.expect(`{"event":"join","data":{"rooms":["a","b"]},"id":"#1"}`)
		p.text(`{"event":"ack","data":{"rooms":[{"room":"a"},{"room":"b"}],"refused":[]},"id":"#1"}`)
		p.expect(`{"event":"join","data":{"rooms":["c","d"]},"id":"#2"}`)
		p.text(`{"event":"ack","data":{"rooms":[{"room":"c"}],"refused":[{"room":"d","code":"forbidden"}]},"id":"#2"}`)
		p.expect(`{"event":"join","data":{"rooms":["e"]},"id":"#3"}`)
		p.text(`{"event":"error","data":{"message":"later","code":"unavailable"},"id":"#3"}`)
		p.expect(`{"event":"join","data":{"rooms":["f"]},"id":"#4"}`)
		p.text(`{"event":"ack","data":{"rooms":5},"id":"#4"}`)
		p.expect(`{"event":"leave","data":{"rooms":["a"]},"id":"#5"}`)
		p.text(`{"event":"ack","id":"#5"}`)
		p.expect(`{"event":"leave","data":{"rooms":["b"]},"id":"#6"}`)
		p.text(`{"event":"error","data":{"message":"","code":"invalid"},"id":"#6"}`)
		p.expectClose(ws.StatusNormalClosure)
		p.close(ws.StatusNormalClosure, "")
	})
	c := dial(t, url, client.Config{})
	if got, err := c.Join(t.Context()); err != nil || got.Rooms != nil {
		t.Errorf("Join without rooms: %+v, %v", got, err)
	}
	if got, err := c.Join(t.Context(), "a", "b"); err != nil || len(got.Rooms) != 2 || got.Rooms[1].Room != "b" {
		t.Errorf("Join: %+v, %v", got, err)
	}
	got, err := c.Join(t.Context(), "c", "d")
	var partly *client.JoinError
	if !errors.As(err, &partly) || len(partly.Refused) != 1 || partly.Refused[0] != (wire.RefusedRoom{Room: "d", Code: wire.CodeForbidden}) ||
		len(got.Rooms) != 1 || got.Rooms[0].Room != "c" {
		t.Errorf("Join: %+v, %v", got, err)
	} else if want := `event "join": the server refused room "d" (forbidden)`; err.Error() != want {
		t.Errorf("the error's text is %s, want %s", err, want)
	}
	var refused *client.Error
	if _, err := c.Join(t.Context(), "e"); !errors.As(err, &refused) || refused.Code != wire.CodeUnavailable {
		t.Errorf("Join: %v", err)
	}
	if _, err := c.Join(t.Context(), "f"); !errors.Is(err, client.ErrProtocol) {
		t.Errorf("Join: %v, want ErrProtocol", err)
	}
	if err := c.Leave(t.Context(), "a"); err != nil {
		t.Errorf("Leave: %v", err)
	}
	if err := c.Leave(t.Context(), "b"); !errors.As(err, &refused) || refused.Code != wire.CodeInvalid {
		t.Errorf("Leave: %v", err)
	}
}

func TestJoinErrorText(t *testing.T) {
	e := client.JoinError{}
	for range 12 {
		e.Refused = append(e.Refused, wire.RefusedRoom{Room: "a", Code: "forbidden"})
	}
	want := "the server refused" + strings.Repeat(` room "a" (forbidden),`, 10) + " and 2 more"
	if got := e.Error(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	e.Refused = []wire.RefusedRoom{{Room: "a", Code: "not_found", Message: "Over."}}
	if got, want := e.Error(), `the server refused room "a" (not_found "Over.")`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	// The server's text is escaped for terminals.
	e.Refused = []wire.RefusedRoom{{Room: "\x1b[2J", Code: "\x1b[3J", Message: "\u202e"}}
	for _, err := range []error{&e, &client.Error{Code: "\x1b[3J", Message: "\u202e"}} {
		if strings.ContainsAny(err.Error(), "\x1b\u202e") {
			t.Errorf("got %q", err)
		}
	}
}

func TestReconnect(t *testing.T) {
	for _, known := range wire.CloseCodes() {
		e := client.CloseError{Code: known.Code}
		if again, after := e.Reconnect(); again != known.Reconnect || after != known.After {
			t.Errorf("%d: %v, %v", e.Code, again, after)
		}
		if e.NeedsCredentials() != known.Credentials || !strings.HasSuffix(e.Error(), "("+known.Hint+")") {
			t.Errorf("%d: %v, %v", e.Code, e.NeedsCredentials(), e.Error())
		}
	}
	for code, want := range map[uint16]bool{
		1000: true, 1002: false, 1003: false, 1005: true, 1007: false, 1008: false, 1009: false, 1010: false,
		1011: true, 1012: true, 3000: true, 4000: true,
	} {
		e := client.CloseError{Code: code}
		if again, after := e.Reconnect(); again != want || after != 0 || e.NeedsCredentials() {
			t.Errorf("%d: %v, %v", code, again, after)
		}
	}
}

func TestRefresh(t *testing.T) {
	end := time.Date(2026, 1, 31, 11, 0, 0, 0, time.UTC)
	url := serve(t, func(p *peer) {
		p.accept2(`,"expires":"2026-01-31T10:00:00.000Z"`)
		p.text(`{"event":"expiring","data":{"expires":"2026-01-31T10:00:00.000Z"}}`)
		p.expect(`{"event":"refresh","data":{"token":"new"},"id":"#1"}`)
		p.text(`{"event":"ack","data":{"expires":"2026-01-31T11:00:00.000Z"},"id":"#1"}`)
		p.expect(`{"event":"refresh","data":{"token":"bad"},"id":"#2"}`)
		p.text(`{"event":"error","data":{"message":"","code":"forbidden"},"id":"#2"}`)
		p.expect(`{"event":"refresh","id":"#3"}`)
		p.text(`{"event":"ack","data":{"expires":"soon"},"id":"#3"}`)
		p.expect(`{"event":"refresh","id":"#4"}`)
		p.text(`{"event":"ack","id":"#4"}`)
		p.drain()
	})
	c := dial(t, url, client.Config{})
	if got := receive(t, c); !strings.HasPrefix(got, "expiring ") {
		t.Errorf("received %s", got)
	}
	if got, err := c.Refresh(t.Context(), map[string]string{"token": "new"}); err != nil || !got.Equal(end) || !c.Connected().Expires.Equal(end) {
		t.Errorf("Refresh: %v, %v; Connected says %v", got, err, c.Connected().Expires)
	}
	var refused *client.Error
	if _, err := c.Refresh(t.Context(), map[string]string{"token": "bad"}); !errors.As(err, &refused) || refused.Code != wire.CodeForbidden {
		t.Errorf("Refresh: %v", err)
	}
	if _, err := c.Refresh(t.Context(), nil); !errors.Is(err, client.ErrProtocol) {
		t.Errorf("Refresh: %v, want ErrProtocol", err)
	}
	if !c.Connected().Expires.Equal(end) { // unchanged
		t.Errorf("Connected says %v", c.Connected().Expires)
	}
	if got, err := c.Refresh(t.Context(), nil); err != nil || !got.IsZero() || !c.Connected().Expires.IsZero() {
		t.Errorf("Refresh: %v, %v", got, err)
	}
}

const expiring = `{"event":"expiring","data":{"expires":"2026-01-31T10:00:00.000Z"}}`

// Config.Refresh answers expiring events, one at a time, and none is forgotten.
func TestRefreshByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		cfg := client.Config{HeartbeatInterval: -1, Refresh: func(context.Context) (any, error) {
			time.Sleep(time.Minute) // others may arrive in the meantime
			calls++
			return calls, nil
		}}
		c := pipe2(t, cfg, func(p *peer) {
			p.text(expiring)
			p.expect(`{"event":"refresh","data":1,"id":"#1"}`)
			p.text(`{"event":"ack","data":{"expires":"2026-01-31T11:00:00.000Z"},"id":"#1"}`)
			time.Sleep(time.Hour)
			for range 3 {
				p.text(expiring)
			}
			p.expect(`{"event":"refresh","data":2,"id":"#2"}`)
			p.text(`{"event":"ack","data":{"expires":"2026-01-31T12:00:00.000Z"},"id":"#2"}`)
			p.expect(`{"event":"refresh","data":3,"id":"#3"}`)
			p.text(`{"event":"ack","data":{"expires":"2026-01-31T13:00:00.000Z"},"id":"#3"}`)
			p.raw(numbered(0))
			p.drain()
		})
		wantReceive(t, c, 0, 1)
		time.Sleep(time.Hour)
		if want := time.Date(2026, 1, 31, 13, 0, 0, 0, time.UTC); !c.Connected().Expires.Equal(want) || calls != 3 {
			t.Errorf("expires %v after %d calls", c.Connected().Expires, calls)
		}
	})
}

// If a session ends because a refresh failed, the error says why.
func TestRefreshFails(t *testing.T) {
	down := errors.New("token service down")
	for name, row := range map[string]struct {
		refresh func(context.Context) (any, error)
		answer  string
		code    uint16
		text    string
	}{
		"the function": {func(context.Context) (any, error) { return nil, down }, "", wire.CloseExpired, "not refreshed: token service down"},
		"not JSON":     {func(context.Context) (any, error) { return func() {}, nil }, "", wire.CloseExpired, "not refreshed: event"},
		"the server": {
			func(context.Context) (any, error) { return 1, nil }, `{"message":"another user","code":"forbidden"}`,
			wire.CloseExpired, `not refreshed: event "refresh": the server refused: forbidden "another user"`,
		},
		"another reason": {func(context.Context) (any, error) { return nil, down }, "", wire.CloseGoingAway, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := pipe2(t, client.Config{Refresh: row.refresh, HeartbeatInterval: -1}, func(p *peer) {
					p.text(expiring)
					if row.answer != "" {
						p.refuse(p.message(), row.answer)
					}
					time.Sleep(time.Second) // until the client has read that
					p.close(ws.StatusCode(row.code), "")
					p.drain()
				})
				_, err := c.Receive(t.Context())
				var closed *client.CloseError
				if !errors.As(err, &closed) || closed.Code != row.code || !strings.Contains(err.Error(), row.text) ||
					(row.text == "") != !strings.Contains(err.Error(), "refreshed") {
					t.Errorf("Receive: %v", err)
				}
			})
		})
	}
}

// The end of the connection cancels the context of Config.Refresh, and Close waits
// for it.
func TestRefreshEndsWithConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		returned := false
		cfg := client.Config{HeartbeatInterval: -1, Refresh: func(ctx context.Context) (any, error) {
			<-ctx.Done()
			time.Sleep(time.Second)
			returned = true
			return nil, ctx.Err()
		}}
		c := pipe2(t, cfg, func(p *peer) {
			p.text(expiring)
			p.raw(numbered(0))
			p.drain()
		})
		wantReceive(t, c, 0, 1)
		_ = c.Close()
		if !returned {
			t.Error("Close returned before Config.Refresh")
		}
	})
}
