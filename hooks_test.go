package ignis_test

import (
	"context"
	"errors"
	"fmt"
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
			if _, err := fmt.Sscanf(told, "Flushed {Messages:1 Bytes:%d}", &size); err != nil &&
				told != "Authenticated {ClientID:"+id+" UserID:ann Refresh:false Err:<nil> Duration:1s}" {
				t.Errorf("unexpected hook: %s", told)
			}
		}
		if size == 0 || line.ID != id {
			t.Error("Flushed was not called")
		}
		p.text(`{"event":"refresh","data":{"user":"eve","token":"bad"}}`)
		time.Sleep(2 * time.Second)
		expect("Authenticated {ClientID:" + id + " UserID:ann Refresh:true Err:Authentication failed Duration:1s}")
		p.join(names("a", "b"))
		expect("Joined {ClientID:"+id+" Room:a Refused:}", "Joined {ClientID:"+id+" Room:b Refused:not allowed by the application}")
		p.text(`{"event":"x"}`)
		time.Sleep(2 * time.Second)
		lines := l.take()
		if len(lines) != 1 || !strings.HasPrefix(lines[0], "MessageHandled {Client:0x") || !strings.HasSuffix(lines[0], " Event:x Err:no luck Duration:1s}") {
			t.Errorf("hooks: %q", lines)
		}
		_ = n.Send(t.Context(), ignis.ToRoom("a"), "x", 1)
		envelope := `{"serverId":"` + n.ID() + `","type":"room","target":"a","event":"x","data":1}`
		expect("Sent {To:room:a Messages:1 Recipients:1 FromBus:false}", "Flushed {Messages:1 Bytes:35}",
			fmt.Sprintf("Published {To:room:a Bytes:%d Err:<nil>}", len(envelope)))
		b.fail(errors.New("not today"))
		_ = n.Send(t.Context(), ignis.ToRoom("none"), "x", nil)
		b.fail(nil)
		lines = l.take()
		if len(lines) != 2 || lines[0] != "Sent {To:room:none Messages:1 Recipients:0 FromBus:false}" || !strings.HasSuffix(lines[1], " Err:not today}") {
			t.Errorf("hooks: %q", lines)
		}
		ignis.Receive(n.Server, []byte(`{"serverId":"s","type":"broadcast","event":"x"}`), []byte(`{"serverId":"s","type":"broadcast","event":"x"}`))
		expect("Received {Envelopes:2 Bytes:94}", "Sent {To:everyone Messages:2 Recipients:1 FromBus:true}", "Flushed {Messages:2 Bytes:30}")
		_ = n.Leave(p.id, "a")
		expect("Left {ClientID:" + id + " Room:a Cause:application}")
		_ = n.Disconnect(p.id, 4000, "bye")
		_ = n.SendLocal(ignis.ToClient(p.id), "x", 1)
		time.Sleep(time.Second)
		lines = l.take()
		if !slices.Contains(lines, "Dropped {ClientID:"+id+" Messages:1 Reason:connection closing}") ||
			!slices.Contains(lines, "Closed {ClientID:"+id+" UserID:ann Cause:closed by the application Code:4000 Duration:5s}") {
			t.Errorf("hooks: %q", lines)
		}
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
