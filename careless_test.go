package ignis_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/wire"
)

// bomb and quitter are replies whose encoding panics or ends the goroutine.
type (
	bomb    struct{}
	quitter struct{}
)

func (bomb) MarshalJSON() ([]byte, error)    { panic("boom") }
func (quitter) MarshalJSON() ([]byte, error) { runtime.Goexit(); return nil, nil }

// A mistake in a callback affects only the answer to its own client.
func TestCarelessCallbacks(t *testing.T) {
	var none *ignis.Error // a nil pointer, which makes an error that is not nil
	internal := nack("1", wire.CodeInternal, "Internal error")
	for name, row := range map[string]struct {
		cfg  ignis.Config
		text string
		want string
	}{
		"a reply that panics":  {ignis.Config{OnMessage: replies(bomb{}, nil)}, `{"event":"x","id":"1"}`, internal},
		"a reply that exits":   {ignis.Config{OnMessage: replies(quitter{}, nil)}, `{"event":"x","id":"1"}`, internal},
		"a nil *Error":         {ignis.Config{OnMessage: replies(nil, none)}, `{"event":"x","id":"1"}`, internal},
		"a wrapped nil *Error": {ignis.Config{OnMessage: replies(nil, fmt.Errorf("no luck: %w", none))}, `{"event":"x","id":"1"}`, internal},
		"a nil *Error of ValidateRooms": {
			ignis.Config{ValidateRooms: func(_ context.Context, _ *ignis.Client, rooms []string) ([]string, error) { return rooms, none }},
			`{"event":"join","data":{"rooms":["a"]},"id":"1"}`,
			ack("1", `{"rooms":[],"refused":[{"room":"a","code":"internal"}]}`),
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				n := startMem(t, row.cfg)
				old := n.login("bob")
				old.text(row.text) // in protocol 1
				old.only()
				p := n.login2()
				p.text(row.text)
				p.text(`{"event":"heartbeat","id":"2"}`)
				p.only(row.want, ack("2", ""))
			})
		})
	}
}

func replies(reply any, err error) func(context.Context, *ignis.Client, wire.Message) (any, error) {
	return func(context.Context, *ignis.Client, wire.Message) (any, error) { return reply, err }
}

// A callback that ends its goroutine does not affect the rooms and callbacks that come
// after it.
func TestRoomCallbacksThatExit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var d roomDiary
		cfg := d.config()
		join, leave := cfg.OnJoin, cfg.OnLeave
		cfg.OnJoin = func(ctx context.Context, c *ignis.Client, room string) { defer runtime.Goexit(); join(ctx, c, room) }
		cfg.OnLeave = func(ctx context.Context, c *ignis.Client, room string, cause ignis.LeaveCause) {
			defer runtime.Goexit()
			leave(ctx, c, room, cause)
		}
		n := startMem(t, cfg)
		p := n.login2()
		p.join(names("a", "b", "c"))
		p.text(`{"event":"leave","data":{"rooms":["c","a"]}}`)
		synctest.Wait()
		_ = n.SendLocal(ignis.ToRoom("b"), "x", nil)
		p.only(`{"event":"x","room":"b"}`)
		_ = n.Join(p.id, "d")
		synctest.Wait()
		_ = p.conn.Close()
		want := []string{
			"ann joins a", "ann joins b", "ann joins c", "ann leaves c: asked", "ann leaves a: asked", "ann joins d",
			"ann leaves b: disconnected", "ann leaves d: disconnected", "ann goes from [ws-default ws-notification b d]",
		}
		if got := d.take(); !slices.Equal(got, want) {
			t.Errorf("got %q", got)
		}
	})
}

// Each OnLeave follows its OnJoin, and none is lost, even if the application and the client
// join and leave at the same time.
func TestOnLeaveFollowsOnJoin(t *testing.T) {
	slow := func(hold chan struct{}) func(context.Context, *ignis.Client, wire.Message) (any, error) {
		return func(context.Context, *ignis.Client, wire.Message) (any, error) { <-hold; return nil, nil }
	}
	for name, row := range map[string]struct {
		do   func(n *node, p *peer) // while a message is being handled
		then func(n *node, p *peer)
		want []string
	}{
		"a waiting leave": {
			do: func(n *node, p *peer) {
				p.text(`{"event":"leave","data":{"rooms":["a"]}}`)
				synctest.Wait()
				_ = n.Join(p.id, "a") // and then the leave is handled
			},
		},
		"joined again": {
			do: func(n *node, p *peer) {
				_ = n.Join(p.id, "a")
				_ = n.Leave(p.id, "a")
				_ = n.Join(p.id, "a")
			},
			want: []string{"ann joins a", "ann leaves a: disconnected"},
		},
		"left and joined after OnJoin": {
			do: func(n *node, p *peer) { _ = n.Join(p.id, "a") },
			then: func(n *node, p *peer) {
				_ = n.Leave(p.id, "a")
				_ = n.Join(p.id, "a")
			},
			want: []string{"ann joins a", "ann leaves a: application", "ann joins a", "ann leaves a: disconnected"},
		},
		"jobs that are dropped": {
			do: func(n *node, p *peer) { _ = n.Join(p.id, "a") },
			then: func(n *node, p *peer) {
				go func() {
					for range 70 { // more than may wait
						p.text(`{"event":"hang"}`)
					}
				}()
				synctest.Wait()
				_ = n.Leave(p.id, "a")
			},
			want: []string{"ann joins a", "ann leaves a: application"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var d roomDiary
				cfg := d.config()
				hold := make(chan struct{})
				first := slow(hold)
				cfg.OnMessage = func(ctx context.Context, c *ignis.Client, m wire.Message) (any, error) {
					if m.Event == "hang" {
						<-ctx.Done()
						return nil, nil
					}
					return first(ctx, c, m)
				}
				n := startMem(t, cfg)
				p := n.login2()
				p.text(`{"event":"x"}`)
				synctest.Wait()
				row.do(n, p)
				close(hold)
				synctest.Wait()
				if row.then != nil {
					row.then(n, p)
				}
				synctest.Wait()
				_ = p.conn.Close()
				time.Sleep(2 * time.Minute)
				got := slices.DeleteFunc(d.take(), func(line string) bool { return strings.HasPrefix(line, "ann goes") })
				if !slices.Equal(got, row.want) {
					t.Errorf("got %q, want %q", got, row.want)
				}
			})
		})
	}
}

// Hooks may call the server at any time.
func TestHooksMayCallTheServer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var n *node
		hold := make(chan struct{})
		drops := 0
		n = startMem(t, ignis.Config{
			BackpressureLimit: 10_000, ValidateRooms: allRooms,
			OnJoin: func(context.Context, *ignis.Client, string) { <-hold },
			Hooks: ignis.Hooks{Dropped: func(i ignis.DroppedInfo) {
				drops++
				n.Client(i.ClientID)
				n.Clients()
				_ = n.SendLocal(ignis.ToRoom("b"), "dropped", nil)
			}},
		})
		p := n.login2()
		p.join(names("a"))
		synctest.Wait()
		_ = n.SendLocal(ignis.ToRoom("a"), "x", nil)
		_ = n.Disconnect(p.id, 4000, "")
		close(hold) // the waiting message is dropped
		synctest.Wait()
		hold = make(chan struct{})
		q := n.login2()
		q.join(names("a"))
		synctest.Wait()
		for range 200 { // more than may wait
			_ = n.SendLocal(ignis.ToRoom("a"), "x", nil)
		}
		close(hold)
		synctest.Wait()
		if drops == 0 || n.Stats().Disconnects[ignis.CauseBackpressure] != 1 {
			t.Errorf("%d drops, %v", drops, n.Stats().Disconnects)
		}
	})
}

// While a message waits, only its data is kept in memory, not its other fields.
func TestWaitingMessagesAreSmall(t *testing.T) {
	longtest.Mark(t)
	const large = 120 << 10
	for name, text := range map[string]string{
		"from":         `{"event":"x","from":{"id":"` + strings.Repeat("x", large) + `"}}`,
		"unknown keys": `{"event":"x","pad":"` + strings.Repeat("x", large) + `"}`,
	} {
		for _, sealed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, sealed=%v", name, sealed), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					hold := make(chan struct{})
					cfg := ignis.Config{MaxPayload: 1 << 20, OnMessage: func(context.Context, *ignis.Client, wire.Message) (any, error) {
						<-hold
						return nil, nil
					}}
					if sealed {
						cfg.Encryption = ignis.EncryptionRequired
					}
					n := startMem(t, cfg)
					var send func(string)
					if sealed {
						send = n.vault("bob").seal
					} else {
						send = n.login2().text
					}
					runtime.GC()
					before := heap()
					for range 60 {
						send(text)
					}
					synctest.Wait()
					runtime.GC()
					if grown := heap() - before; grown > 20*large {
						t.Errorf("60 messages without data take %d KiB", grown>>10)
					}
					close(hold)
				})
			})
		}
	}
}

// For an encrypted message only the inner id counts, regardless of how it is opened.
func TestIDsOfEncryptedMessages(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := keys(plain)
		cfg.OnMessage = replies("r", nil)
		n := startMem(t, cfg)
		p := n.connect()
		p.text(authenticate2)
		p.text(secretly(`{"event":"x","id":"0"}`)) // early, with a key that both sides already have
		p.connected()
		sealed := func(text string) string { return string(must(plain(0, []byte(text)))) }
		p.only(sealed(ack("0", `"r"`)))
		p.text(`{"event":"encrypted","data":"whatever","id":"7"}`)
		p.only(sealed(failure(wire.ErrorEncryptedMessage)))
		p.text(strings.TrimSuffix(secretly(`{"event":"x","id":"8"}`), "}") + `,"id":"7"}`)
		p.only(sealed(ack("8", `"r"`)))
		p.text(`{"event":"x","id":"9"}`)
		p.only(sealed(nack("9", wire.CodeForbidden, wire.ErrorEncryptionRequired)))
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// If a reply is too large to be sealed, the client receives an error instead.
func TestReplyTooLargeToSeal(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := keys(plain)
		cfg.BackpressureLimit = 64 << 10
		cfg.OnMessage = replies(strings.Repeat("x", 70<<10), nil)
		n := startMem(t, cfg)
		p := n.login2()
		p.text(secretly(`{"event":"x","id":"7"}`))
		p.only(string(must(plain(0, []byte(nack("7", wire.CodeTooLarge, "The reply is too large"))))))
	})
}

// Early heartbeats are answered, and those over the limit are refused.
func TestEarlyHeartbeats(t *testing.T) {
	bubble(t, func(t *testing.T) {
		hold := make(chan struct{})
		n := startMem(t, ignis.Config{Authenticate: func(context.Context, ignis.Credentials) (ignis.Identity, error) {
			<-hold
			return ignis.Identity{}, nil
		}})
		p := n.connect()
		p.text(authenticate2)
		for i := range 18 {
			p.text(fmt.Sprintf(`{"event":"heartbeat","id":"%d"}`, i))
		}
		synctest.Wait()
		close(hold)
		p.connected()
		if got := p.got(); len(got) != 18 || got[15] != ack("15", "") || got[17] != nack("17", wire.CodeForbidden, wire.ErrorUnauthenticated) {
			t.Errorf("answers: %q", got)
		}
	})
}

// If the application allows no rooms for new credentials, the client leaves its rooms. If
// the application fails to decide, the refresh changes nothing.
func TestRefreshAndRooms(t *testing.T) {
	for name, row := range map[string]struct {
		err  error
		want string
		in   bool
	}{
		"refused": {&ignis.Error{Code: wire.CodeForbidden, Message: "No rooms for you"}, ack("2", `{}`), false},
		"failed":  {errors.New("no luck"), nack("2", wire.CodeInternal, "Internal error"), true},
		"partly":  {&ignis.PartialError{Err: &ignis.Error{Code: wire.CodeForbidden, Message: "Not the others"}}, ack("2", `{}`), true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var err error
				n := startMem(t, ignis.Config{ValidateRooms: func(_ context.Context, _ *ignis.Client, rooms []string) ([]string, error) {
					return rooms, err
				}})
				p := n.login2()
				p.join(names("a"))
				synctest.Wait()
				err = row.err
				p.text(`{"event":"refresh","data":{"user":"ann"},"id":"2"}`)
				p.only(row.want)
				if in := n.InRoom(p.id, "a"); in != row.in {
					t.Errorf("in the room: %v", in)
				}
			})
		})
	}
}
