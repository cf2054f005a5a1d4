package ignis_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// told records the calls of hooks as text.
type told struct {
	mu    sync.Mutex
	lines []string
}

func (l *told) add(name string, info any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf("%s %+v", name, info))
}

func (l *told) take() []string {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.lines
	l.lines = nil
	return lines
}

// hooks returns all hooks, using reflection so that none is forgotten.
func (l *told) hooks() (h ignis.Hooks) {
	v := reflect.ValueOf(&h).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		v.Field(i).Set(reflect.MakeFunc(v.Field(i).Type(), func(args []reflect.Value) []reflect.Value {
			l.add(name, args[0].Interface())
			return nil
		}))
	}
	return h
}

func TestHooks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var l told
		b := newFakeBus()
		n := startMem(t, ignis.Config{
			Hooks: l.hooks(), Bus: b, SlowPolicy: ignis.SlowDropNewest, BackpressureLimit: 5000,
			Authenticate: func(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
				time.Sleep(time.Second)
				return anyone(context.Background(), c)
			},
			ValidateRooms: func(_ context.Context, _ *ignis.Client, rooms []string) ([]string, error) {
				return slices.DeleteFunc(rooms, func(room string) bool { return room == "b" }), nil
			},
			OnMessage: func(_ context.Context, _ *ignis.Client, m wire.Message) (any, error) {
				time.Sleep(time.Second)
				return nil, errors.New("no luck")
			},
		})
		expect := func(want ...string) {
			t.Helper()
			got := l.take()
			// Writes are reported by another goroutine.
			slices.SortStableFunc(got, func(a, b string) int { return strings.Compare(a[:1], b[:1]) })
			slices.SortStableFunc(want, func(a, b string) int { return strings.Compare(a[:1], b[:1]) })
			if !slices.Equal(got, want) {
				t.Errorf("hooks:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
		p := n.connect()
		synctest.Wait()
		id := n.Clients()[0].ID
		expect("Connected {ClientID:" + id + " RemoteAddr:pipe}")
		p.text(authenticate2)
		line := p.connected()
		size := 0
		for _, told := range l.take() {
			if _, err := fmt.Sscanf(told, "Flushed {Writes:1 Messages:1 Bytes:%d}", &size); err != nil &&
				told != "CallbackReturned {Callback:Authenticate ClientID:"+id+" Calls:1 Err:<nil> Duration:1s}" &&
				told != "Authenticated {ClientID:"+id+" UserID:ann Refresh:false Outcome:accepted Err:<nil> Duration:1s}" {
				t.Errorf("unexpected hook: %s", told)
			}
		}
		if size == 0 || line.ID != id {
			t.Error("Flushed was not called")
		}
		p.text(`{"event":"refresh","data":{"user":"eve","token":"bad"}}`)
		time.Sleep(2 * time.Second)
		expect("CallbackReturned {Callback:Authenticate ClientID:"+id+" Calls:1 Err:unauthenticated Duration:1s}",
			"Authenticated {ClientID:"+id+" UserID:ann Refresh:true Outcome:rejected Err:Authentication failed: unauthenticated Duration:1s}")
		p.join(names("a", "b"))
		expect("CallbackReturned {Callback:ValidateRooms ClientID:"+id+" Calls:1 Err:<nil> Duration:0s}",
			"Joined {ClientID:"+id+" Room:a Refused:}", "Joined {ClientID:"+id+" Room:b Refused:not allowed by the application}")
		p.text(`{"event":"x"}`)
		time.Sleep(2 * time.Second)
		lines := l.take()
		if len(lines) != 2 || lines[0] != "CallbackReturned {Callback:OnMessage ClientID:"+id+" Calls:1 Err:no luck Duration:1s}" ||
			!strings.HasPrefix(lines[1], "MessageHandled {Client:0x") || !strings.HasSuffix(lines[1], " Event:x Err:no luck Duration:1s}") {
			t.Errorf("hooks: %q", lines)
		}
		_ = n.Send(t.Context(), ignis.ToRoom("a"), "x", 1)
		envelope := `{"serverId":"` + n.ID() + `","type":"room","target":"a","event":"x","data":1}`
		expect("Sent {To:room:a Messages:1 Recipients:1 FromBus:false}", "Flushed {Writes:1 Messages:1 Bytes:35}",
			fmt.Sprintf("Published {To:room:a Bytes:%d Err:<nil>}", len(envelope)))
		b.fail(errors.New("not today"))
		_ = n.Send(t.Context(), ignis.ToRoom("none"), "x", nil)
		b.fail(nil)
		lines = l.take()
		if len(lines) != 2 || lines[0] != "Sent {To:room:none Messages:1 Recipients:0 FromBus:false}" || !strings.HasSuffix(lines[1], " Err:not today}") {
			t.Errorf("hooks: %q", lines)
		}
		ignis.Receive(n.Server, []byte(`{"serverId":"s","type":"broadcast","event":"x"}`), []byte(`{"serverId":"s","type":"broadcast","event":"x"}`))
		lines = l.take()
		slices.Sort(lines)
		rest := []string{"Received {Envelopes:2 Bytes:94}", "Sent {To:everyone Messages:2 Recipients:1 FromBus:true}"}
		one := "Flushed {Writes:1 Messages:1 Bytes:15}" // the first may be written before the second is queued
		if !slices.Equal(lines, append([]string{"Flushed {Writes:1 Messages:2 Bytes:30}"}, rest...)) && !slices.Equal(lines, append([]string{one, one}, rest...)) {
			t.Errorf("hooks: %q", lines)
		}
		_ = n.Leave(p.id, "a")
		expect("Left {ClientID:" + id + " Room:a Cause:application}")
		large := func(id string, size int) []byte {
			return []byte(`{"serverId":"s","type":"client","target":"` + id + `","event":"x","data":"` + strings.Repeat("x", size) + `"}`)
		}
		// An empty queue accepts a message of any size.
		e := large(id, 5000)
		ignis.Receive(n.Server, e)
		expect("Flushed {Writes:1 Messages:1 Bytes:5027}", fmt.Sprintf("Received {Envelopes:1 Bytes:%d}", len(e)),
			"Sent {To:client:"+id+" Messages:1 Recipients:1 FromBus:true}")
		// This client does not read, and only the first message fits into its queue.
		n.raw().text(`{"event":"authenticate","data":{"user":"deaf","protocol":2}}`)
		time.Sleep(2 * time.Second)
		l.take()
		deaf := n.ClientsOfUser("deaf")[0].ID
		e = large(deaf, 3000)
		ignis.Receive(n.Server, e, e)
		expect("Dropped {ClientID:"+deaf+" Messages:1 Reason:backpressure}",
			fmt.Sprintf("Received {Envelopes:2 Bytes:%d}", 2*len(e)), "Sent {To:client:"+deaf+" Messages:2 Recipients:1 FromBus:true}")
		_ = n.Disconnect(p.id, 4000, "bye")
		time.Sleep(time.Second)
		expect("Closed {ClientID:"+id+" UserID:ann Cause:closed by the application Code:4000 Duration:7s Authenticated:true}", "Flushed {Writes:1 Messages:1 Bytes:7}")
		n.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		expect("Refused {RemoteAddr:192.0.2.1:1234 Status:426 Reason:the Upgrade header does not contain websocket}")
	})
}

// A panic of a hook is counted, and has no other effect.
func TestHookPanics(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{Hooks: ignis.Hooks{
			Connected: func(ignis.ConnectedInfo) { panic("no luck") },
			Sent:      func(ignis.SentInfo) { panic("no luck") },
			Flushed:   func(ignis.FlushedInfo) { panic("no luck") },
			Closed:    func(ignis.ClosedInfo) { panic("no luck") },
		}})
		p := n.login("ann")
		_ = n.SendLocal(ignis.ToEveryone(), "x", 1)
		p.only(line)
		_ = p.conn.Close()
		synctest.Wait()
		if st := n.Stats(); st.Clients != 0 || st.CallbackPanics < 4 || !n.log.Has("Hooks.Sent panicked") {
			t.Errorf("%+v", st)
		}
	})
}

// CombineHooks calls every hook of every argument, in order.
func TestCombineHooks(t *testing.T) {
	var first, second told
	combined := reflect.ValueOf(ignis.CombineHooks(first.hooks(), ignis.Hooks{}, second.hooks()))
	for i := range combined.NumField() {
		name, f := combined.Type().Field(i).Name, combined.Field(i)
		if f.IsNil() {
			t.Errorf("CombineHooks forgets the hook %s", name)
			continue
		}
		f.Call([]reflect.Value{reflect.Zero(f.Type().In(0))})
		for _, l := range []*told{&first, &second} {
			if got := l.lines; len(got) != 1 || !strings.HasPrefix(got[0], name+" ") {
				t.Errorf("the hook %s of CombineHooks called %q", name, got)
			}
			l.lines = nil
		}
	}
	if h := ignis.CombineHooks(); h.Connected != nil {
		t.Error("CombineHooks without arguments returns hooks")
	}
}

// Each callback reports its duration and its error, and its name is a field of Config.
func TestCallbackReturned(t *testing.T) {
	for b := ignis.Callback(0); !strings.HasPrefix(b.String(), "Callback("); b++ {
		if f, ok := reflect.TypeFor[ignis.Config]().FieldByName(b.String()); !ok || f.Type.Kind() != reflect.Func {
			t.Errorf("Config has no function %v", b)
		}
	}
	bubble(t, func(t *testing.T) {
		b := newGapBus()
		var mu sync.Mutex
		got := make(map[ignis.Callback]string)
		n := startMem(t, ignis.Config{
			Hooks: ignis.Hooks{CallbackReturned: func(i ignis.CallbackReturnedInfo) {
				mu.Lock()
				defer mu.Unlock()
				got[i.Callback] = fmt.Sprintf("%v %v %t", i.Duration, i.Err, i.ClientID != "")
			}},
			Bus: b,
			Accept: func(r *http.Request) (ignis.Accepted, error) {
				time.Sleep(time.Second)
				return ignis.Accepted{}, ignis.CheckOrigin(r, nil)
			},
			Encryption: ignis.EncryptionOptional,
			AgreeKeys: func(context.Context, *ignis.Client, ignis.Credentials) (*ignis.Cipher, error) {
				time.Sleep(2 * time.Second)
				return nil, nil //nolint:nilnil // not encrypted
			},
			ValidateRooms: func(_ context.Context, _ *ignis.Client, rooms []string) ([]string, error) {
				return rooms, nil
			},
			OnBusGap:  func(context.Context, ignis.BusGap) { time.Sleep(6 * time.Second) },
			OnConnect: func(context.Context, *ignis.Client) { panic("no luck") },
			OnJoin:    func(context.Context, *ignis.Client, string) { time.Sleep(3 * time.Second) },
			OnLeave:   func(context.Context, *ignis.Client, string, ignis.LeaveCause) { time.Sleep(4 * time.Second) },
			OnMessage: func(context.Context, *ignis.Client, wire.Message) (any, error) {
				return nil, &ignis.Error{Message: "no"}
			},
			OnDisconnect: func(context.Context, *ignis.Client, ignis.Disconnect) { time.Sleep(5 * time.Second) },
		})
		p := n.login("ann")
		p.join(names("a"))
		p.text(`{"event":"x"}`)
		synctest.Wait()
		time.Sleep(4 * time.Second)
		_ = n.Leave(p.id, "a")
		time.Sleep(5 * time.Second)
		_ = p.conn.Close()
		b.gaps <- ignis.BusGap{}
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		want := map[ignis.Callback]string{
			ignis.CallbackAccept:        "1s <nil> false",
			ignis.CallbackAuthenticate:  "0s <nil> true",
			ignis.CallbackAgreeKeys:     "2s <nil> true",
			ignis.CallbackValidateRooms: "0s <nil> true",
			ignis.CallbackOnConnect:     "0s panic: no luck true",
			ignis.CallbackOnJoin:        "3s <nil> true",
			ignis.CallbackOnLeave:       "4s <nil> true",
			ignis.CallbackOnMessage:     "0s no true",
			ignis.CallbackOnDisconnect:  "5s <nil> true",
			ignis.CallbackOnBusGap:      "6s <nil> false",
		}
		if !maps.Equal(got, want) {
			t.Errorf("%v\nwant\n%v", got, want)
		}
	})
}

// The hook Authenticated reports the outcome of authentications and refreshes.
func TestAuthOutcome(t *testing.T) {
	unavailable := &ignis.Error{Code: wire.CodeUnavailable}
	told := &ignis.Error{Code: wire.CodeForbidden, Message: "You are blocked."}
	for _, row := range []struct {
		err     error
		expires time.Duration
		wait    time.Duration
		want    ignis.AuthOutcome
	}{
		{nil, 0, 0, ignis.AuthAccepted},
		{ignis.ErrUnauthenticated, 0, 0, ignis.AuthRejected},
		{fmt.Errorf("%w: %w", ignis.ErrUnauthenticated, told), 0, 0, ignis.AuthRejected},
		{nil, -time.Second, 0, ignis.AuthRejected},
		{unavailable, 0, 0, ignis.AuthUnavailable},
		{errors.New("no luck"), 0, 0, ignis.AuthFailed},
		{nil, 0, time.Minute, ignis.AuthAbandoned},
		{errors.New("no luck"), 0, time.Minute, ignis.AuthAbandoned},
	} {
		for _, refresh := range []bool{false, true} {
			if refresh && row.wait > 0 {
				continue // the time of a refresh is not limited
			}
			t.Run(fmt.Sprint(row.err, row.expires, row.wait, refresh), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					var got []ignis.AuthOutcome
					n := startMem(t, ignis.Config{
						Hooks: ignis.Hooks{Authenticated: func(i ignis.AuthenticatedInfo) { got = append(got, i.Outcome) }},
						Authenticate: func(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
							if refresh && c.Refreshed == nil {
								return ignis.Identity{}, nil
							}
							time.Sleep(row.wait)
							id := ignis.Identity{}
							if row.expires != 0 {
								id.Expires = time.Now().Add(row.expires)
							}
							return id, row.err
						},
					})
					p := n.connect()
					p.text(authenticate2)
					want := []ignis.AuthOutcome{row.want}
					if refresh {
						p.connected()
						p.text(`{"event":"refresh","data":{}}`)
						want = []ignis.AuthOutcome{ignis.AuthAccepted, row.want}
					}
					time.Sleep(2 * time.Minute)
					synctest.Wait()
					if !slices.Equal(got, want) {
						t.Errorf("outcomes %q, want %q", got, want)
					}
				})
			})
		}
	}
}

// If clients send many messages, a part of the calls of OnMessage is measured, and stands for
// the others. If they send few, each call is measured.
func TestCallsAreSampled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		measured, calls := 0, 0
		n := startMem(t, ignis.Config{
			MessageRate: 1e9, MessageBurst: 1e9,
			Hooks: ignis.Hooks{CallbackReturned: func(i ignis.CallbackReturnedInfo) {
				if i.Callback == ignis.CallbackOnMessage {
					measured++
					calls += i.Calls
				}
			}},
			OnMessage: func(context.Context, *ignis.Client, wire.Message) (any, error) {
				return nil, nil //nolint:nilnil // no answer
			},
		})
		p := n.login("ann")
		const few, many = 10, 1600
		for range few {
			p.text(`{"event":"x"}`)
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if measured != few || calls != few {
			t.Errorf("measured %d calls for %d, want %d for as many", measured, calls, few)
		}
		measured, calls = 0, 0
		for range many {
			p.text(`{"event":"x"}`)
			synctest.Wait()
		}
		time.Sleep(time.Second)
		p.text(`{"event":"x"}`) // stands for those after the last that was measured
		synctest.Wait()
		if calls != many+1 || measured > many/64+2 {
			t.Errorf("measured %d calls for %d, want about %d for %d", measured, calls, many/64, many+1)
		}
	})
}
