package ignis_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/bustest"
	"github.com/ignis-go/ignis/wire"
)

// authenticate2 asks for protocol 2.
const authenticate2 = `{"event":"authenticate","data":{"user":"ann","protocol":2}}`

// login2 connects and authenticates as ann using protocol 2.
func (n *node) login2() *peer {
	n.t.Helper()
	p := n.connect()
	p.text(authenticate2)
	p.connected()
	return p
}

// connected returns the data of the next connected event.
func (p *peer) connected() (d wire.ConnectedData) {
	p.t.Helper()
	line := p.next()
	m, err := wire.DecodeMessage([]byte(line))
	if err != nil || m.Event != wire.EventConnected || m.Decode(&d) != nil {
		p.t.Fatalf("got %s, want a connected event", line)
	}
	p.id = d.ID
	return d
}

// ack and nack return the answers to the message with the ID.
func ack(id, data string) string {
	if data != "" {
		data = `,"data":` + data
	}
	return `{"event":"ack"` + data + `,"id":"` + id + `"}`
}

func nack(id string, code wire.ErrorCode, message string) string {
	return fmt.Sprintf(`{"event":"error","data":{"message":%q,"code":%q},"id":%q}`, message, code, id)
}

func TestAgreement(t *testing.T) {
	for asked, want := range map[string]int{
		`{}`: 0, `{"protocol":1}`: 0, `{"protocol":0}`: 0, `{"protocol":"2"}`: 0,
		`{"protocol":2}`: 2, `{"protocol":3}`: 2, `{"protocol":1000}`: 2,
	} {
		bubble(t, func(t *testing.T) {
			expires := time.Now().Add(time.Hour)
			n := startMem(t, ignis.Config{
				Software: "shop/1.4", MaxPayload: 1000, HeartbeatTimeout: time.Minute,
				Authenticate: func(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
					return ignis.Identity{UserID: "ann", Expires: expires}, nil
				},
			})
			p := n.connect()
			p.text(`{"event":"authenticate","data":` + asked + `}`)
			d := p.connected()
			want := wire.ConnectedData{ID: d.ID, UserID: "ann", Time: d.Time, Protocol: want}
			if want.Protocol == 2 {
				want.Expires = expires.UTC().Format(wire.TimeFormat)
				want.Heartbeat, want.MaxPayload, want.Server = 60_000, 1000, "shop/1.4"
			}
			if d != want {
				t.Errorf("%s: %+v, want %+v", asked, d, want)
			}
			info, _ := n.Client(d.ID)
			if info.Protocol != max(want.Protocol, 1) || !info.Expires.Equal(expires) {
				t.Errorf("%s: %+v", asked, info)
			}
		})
	}
}

// Each message with an ID is answered once, in the order of the messages.
func TestAnswers(t *testing.T) {
	handle := func(_ context.Context, c *ignis.Client, m wire.Message) (any, error) {
		switch m.Event {
		case "echo":
			return m.Data, nil
		case "nothing":
			return nil, nil
		case "room":
			return m.Room, nil
		case "refused":
			return nil, fmt.Errorf("because: %w", &ignis.Error{Code: wire.CodeForbidden, Message: "Not yours"})
		case "plain":
			return nil, &ignis.Error{Message: "What?"}
		case "number":
			var n int
			err := m.Decode(&n)
			return n, err
		case "failed":
			return nil, errors.New("the database said " + secret[1:])
		case "late":
			return nil, context.DeadlineExceeded
		case "panics":
			panic("no luck")
		case "ends":
			runtime.Goexit()
		case "unencodable":
			return func() {}, nil
		case "large":
			return strings.Repeat("x", 2000), nil
		}
		return nil, &ignis.Error{Code: wire.CodeUnknownEvent, Message: "Unknown event"}
	}
	long := strings.Repeat("é", 64)
	internal := func(id string) string { return nack(id, wire.CodeInternal, "Internal error") }
	for _, row := range []struct{ text, want string }{
		{`{"event":"echo","data":[1, 2],"id":"1"}`, ack("1", `[1, 2]`)},
		{`{"event":"echo","data":1}`, ""},
		{`{"event":"nothing","id":"2"}`, ack("2", "")},
		{`{"event":"room","room":"lobby","id":"3"}`, ack("3", `"lobby"`)},
		{`{"event":"refused","id":"4"}`, nack("4", wire.CodeForbidden, "Not yours")},
		{`{"event":"plain","id":"5"}`, nack("5", wire.CodeInvalid, "What?")},
		{`{"event":"number","data":5,"id":"5"}`, ack("5", "5")},
		{`{"event":"number","data":"x","id":"5"}`, nack("5", wire.CodeInvalid, "The data must not be of type string")},
		{`{"event":"number","id":"5"}`, nack("5", wire.CodeInvalid, "The message needs data")},
		{`{"event":"failed","id":"6"}`, internal("6")},
		{`{"event":"failed"}`, ""},
		{`{"event":"late","id":"7"}`, nack("7", wire.CodeTimeout, "The server took too long.")},
		{`{"event":"panics","id":"8"}`, internal("8")},
		{`{"event":"ends","id":"9"}`, internal("9")},
		{`{"event":"unencodable","id":"10"}`, internal("10")},
		{`{"event":"large","id":"11"}`, internal("11")},
		{`{"event":"other","id":"12"}`, nack("12", wire.CodeUnknownEvent, "Unknown event")},
		{`{"event":"heartbeat","id":"13"}`, ack("13", "")},
		{`{"event":"heartbeat"}`, ""},
		{`{"event":"connected","id":"14"}`, nack("14", wire.CodeInvalid, "Only servers send this event")},
		{`{"event":"ack","id":"15"}`, nack("15", wire.CodeInvalid, "Only servers send this event")},
		{`{"event":"authenticate","data":{},"id":"16"}`, nack("16", wire.CodeForbidden, wire.ErrorAuthenticated)},
		{`{"event":"authenticate"}`, failure(wire.ErrorAuthenticated)},
		{`{"event":"nothing","id":"` + long + `"}`, ack(long, "")},
		{`{"event":"nothing","id":"` + long + `x"}`, `{"event":"error","data":{"message":"The id of the message is too long","code":"invalid"}}`},
		{`{"event":"nothing","id":7}`, ""},
		{`{"event":"nothing","id":""}`, ""},
	} {
		bubble(t, func(t *testing.T) {
			n := startMem(t, ignis.Config{OnMessage: handle, MaxMessage: 1000})
			p := n.login2()
			p.text(row.text)
			var want []string
			if row.want != "" {
				want = []string{row.want}
			}
			p.only(want...)
			// In protocol 1 the same message is not answered.
			q := n.login("bob")
			q.text(row.text)
			if got := q.got(); len(got) > 0 && !strings.Contains(got[0], wire.ErrorAuthenticated) {
				t.Errorf("%s in protocol 1: %q", row.text, got)
			}
		})
	}
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{OnMessage: handle})
		p := n.login2()
		var want []string
		for i := range 100 {
			id := fmt.Sprint(i)
			switch i % 4 {
			case 0:
				p.text(`{"event":"echo","data":1,"id":"` + id + `"}`)
				want = append(want, ack(id, "1"))
			case 1: // refused by the reader
				p.text(`{"event":"connected","id":"` + id + `"}`)
				want = append(want, nack(id, wire.CodeInvalid, "Only servers send this event"))
			case 2:
				p.text(`{"event":"join","data":{"rooms":[]},"id":"` + id + `"}`)
				want = append(want, ack(id, `{"rooms":[],"refused":[]}`))
			case 3:
				p.text(`{"event":"authenticate","id":"` + id + `"}`)
				want = append(want, nack(id, wire.CodeForbidden, wire.ErrorAuthenticated))
			}
		}
		p.only(want...)
	})
}

// Without OnMessage, events are not handled, and a client that expects an answer is told
// so.
func TestUnknownEvent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{})
		p := n.login2()
		p.text(`{"event":"say","id":"1"}`)
		p.only(nack("1", wire.CodeUnknownEvent, "Unknown event"))
	})
}

func TestJoinAnswers(t *testing.T) {
	validate := func(_ context.Context, _ *ignis.Client, rooms []string) ([]string, error) {
		var allowed []string
		for _, room := range rooms {
			switch {
			case room == "broken":
				return nil, errors.New("no luck")
			case room == "closed":
				return nil, &ignis.Error{Code: wire.CodeUnavailable, Message: "Closed"}
			case room == "later":
				return allowed, &ignis.PartialError{Err: &ignis.Error{Code: wire.CodeUnavailable, Message: "Later"}}
			case room == "never":
				return allowed, &ignis.Error{Code: wire.CodeForbidden, Message: "Never"}
			case room == "odd":
				return allowed, (*ignis.PartialError)(nil)
			case strings.HasPrefix(room, "a"):
				allowed = append(allowed, room)
			}
		}
		return allowed, nil
	}
	for data, want := range map[string]string{
		`{"rooms":["a1","a2"]}`:           ack("1", `{"rooms":[{"room":"a1"},{"room":"a2"}],"refused":[]}`),
		`{"rooms":["a1","b"]}`:            ack("1", `{"rooms":[{"room":"a1"}],"refused":[{"room":"b","code":"forbidden"}]}`),
		`{"rooms":["a1","a2","a3"]}`:      ack("1", `{"rooms":[{"room":"a1"},{"room":"a2"}],"refused":[{"room":"a3","code":"too_large"}]}`),
		`{"rooms":["a1","ws:x",""]}`:      ack("1", `{"rooms":[{"room":"a1"}],"refused":[{"room":"ws:x","code":"invalid"},{"room":"","code":"invalid"}]}`),
		`{"rooms":["a1","broken"]}`:       ack("1", `{"rooms":[],"refused":[{"room":"a1","code":"internal"},{"room":"broken","code":"internal"}]}`),
		`{"rooms":["a1","later"]}`:        ack("1", `{"rooms":[{"room":"a1"}],"refused":[{"room":"later","code":"unavailable","message":"Later"}]}`),
		`{"rooms":["a1","never"]}`:        ack("1", `{"rooms":[],"refused":[{"room":"a1","code":"forbidden","message":"Never"},{"room":"never","code":"forbidden","message":"Never"}]}`),
		`{"rooms":["a1","odd"]}`:          ack("1", `{"rooms":[],"refused":[{"room":"a1","code":"internal"},{"room":"odd","code":"internal"}]}`),
		`{"rooms":["closed"]}`:            ack("1", `{"rooms":[],"refused":[{"room":"closed","code":"unavailable","message":"Closed"}]}`),
		`{"rooms":[]}`:                    ack("1", `{"rooms":[],"refused":[]}`),
		`{"rooms":["a","a","a","a","a"]}`: nack("1", wire.CodeTooLarge, "at most 4 rooms can be joined at once"),
		`{"rooms":"a"}`:                   nack("1", wire.CodeInvalid, "join needs {rooms: string[]}"),
		`null`:                            nack("1", wire.CodeInvalid, "join needs {rooms: string[]}"),
		`{"rooms":["ELSEWHERE"]}`:         ack("1", `{"rooms":[],"refused":[{"room":"ELSEWHERE","code":"forbidden"}]}`),
	} {
		bubble(t, func(t *testing.T) {
			n := startMem(t, ignis.Config{ValidateRooms: validate, MaxRooms: 2, MaxRoomsPerRequest: 4})
			p := n.login2()
			elsewhere := startMem(t, ignis.Config{}).login("bob").id // ID of a client of another instance
			p.text(strings.ReplaceAll(`{"event":"join","data":`+data+`,"id":"1"}`, "ELSEWHERE", elsewhere))
			p.only(strings.ReplaceAll(want, "ELSEWHERE", elsewhere))
			p.text(`{"event":"leave","data":{"rooms":["a1"]},"id":"2"}`)
			p.text(`{"event":"leave","data":{"rooms":["1","2","3","4","5"]},"id":"3"}`)
			p.text(`{"event":"leave","data":7,"id":"4"}`)
			p.only(ack("2", ""), nack("3", wire.CodeTooLarge, "at most 4 rooms can be left at once"), nack("4", wire.CodeInvalid, "leave needs {rooms: string[]}"))
			if n.InRoom(p.id, "a1") {
				t.Error("the client has not left the room")
			}
		})
	}
}

// Messages to rooms contain the room and the sender. Each version of the protocol has its
// own frame.
func TestRoomMessages(t *testing.T) {
	bubble(t, func(t *testing.T) {
		mesh := make([]*node, 2)
		for i, bus := range bustest.NewCluster(2) {
			mesh[i] = startMem(t, ignis.Config{Bus: bus, ValidateRooms: allRooms})
		}
		n := mesh[0]
		old, current, remote := n.login("bob"), n.login2(), mesh[1].login2()
		for _, p := range []*peer{old, current, remote} {
			p.text(`{"event":"join","data":{"rooms":["lobby"]}}`)
		}
		synctest.Wait()
		info, _ := n.Client(old.id)
		from := `"from":{"id":"` + old.id + `","userId":"bob"}`
		for _, row := range []struct {
			to        ignis.Address
			data      any
			options   []ignis.SendOption
			one, two  string
			elsewhere bool
		}{
			{ignis.ToRoom("lobby"), 1, nil, `{"event":"x","data":1}`, `{"event":"x","data":1,"room":"lobby"}`, true},
			{ignis.ToRoom("lobby"), nil, nil, `{"event":"x"}`, `{"event":"x","room":"lobby"}`, true},
			{ignis.ToEveryone(), 1, nil, `{"event":"x","data":1}`, `{"event":"x","data":1}`, true},
			{
				ignis.ToRoom("lobby"), json.RawMessage(`{"from":"me","t":"hi"}`),
				[]ignis.SendOption{ignis.From(&info.Client), ignis.Key("k")},
				`{"event":"x","data":{"t":"hi",` + from + `}}`, `{"event":"x","data":{"t":"hi",` + from + `},"room":"lobby",` + from + `}`, true,
			},
			{ignis.ToEveryone(), "hi", []ignis.SendOption{ignis.From(&info.Client)}, `{"event":"x","data":"hi"}`, `{"event":"x","data":"hi",` + from + `}`, true},
		} {
			if err := n.Send(t.Context(), row.to, "x", row.data, row.options...); err != nil {
				t.Fatal(err)
			}
			old.only(row.one)
			current.only(row.two)
			remote.only(row.two)
		}
		// Many messages that arrive together from the bus.
		var envelopes [][]byte
		var want []string
		for i := range 20 {
			envelopes = append(envelopes, fmt.Appendf(nil, `{"serverId":"emitter","type":"room","target":"lobby","event":"x","data":%d}`, i))
			want = append(want, fmt.Sprintf(`{"event":"x","data":%d,"room":"lobby"}`, i))
		}
		ignis.Receive(n.Server, envelopes...)
		current.only(want...)
		if got := old.got(); len(got) != 20 || got[0] != `{"event":"x","data":0}` {
			t.Errorf("protocol 1 receives %q", got)
		}
	})
}

// messages records the messages that OnMessage receives.
type messages struct {
	mu   sync.Mutex
	list []wire.Message
}

func (l *messages) handle(_ context.Context, _ *ignis.Client, m wire.Message) (any, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, m)
	return nil, nil
}

func (l *messages) take() []wire.Message {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.list
	l.list = nil
	return list
}

// A client cannot set the sender, and in protocol 1 cannot name a room.
func TestForgery(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var l messages
		n := startMem(t, ignis.Config{OnMessage: l.handle})
		for _, row := range []struct {
			p    *peer
			room string
		}{{n.login("ann"), ""}, {n.login2(), "lobby"}} {
			row.p.text(`{"event":"x","room":"lobby","from":{"id":"c","userId":"eve"}}`)
			if got := l.take(); len(got) != 1 || got[0].From != (wire.Sender{}) || got[0].Room != row.room {
				t.Errorf("received %+v, want room %q", got, row.room)
			}
		}
	})
}

// Messages sent right after authenticate are handled in order once the client is
// accepted.
func TestEarlyMessages(t *testing.T) {
	for _, encryption := range []ignis.Encryption{ignis.EncryptionOff, ignis.EncryptionRequired} {
		bubble(t, func(t *testing.T) {
			var l messages
			cfg := keys(plain)
			cfg.Encryption = encryption
			cfg.OnMessage, cfg.ValidateRooms = l.handle, allRooms
			cfg.Authenticate = func(context.Context, ignis.Credentials) (ignis.Identity, error) {
				time.Sleep(time.Second)
				return ignis.Identity{UserID: "ann"}, nil
			}
			n := startMem(t, cfg)
			p := n.connect()
			p.text(authenticate2)
			p.text(`{"event":"join","data":{"rooms":["a"]},"id":"1"}`)
			p.text(`{"event":"say","id":"2"}`)
			p.text(`{"event":"heartbeat"}`)
			p.text(`{"event":"leave","data":{"rooms":["a"]},"id":"3"}`)
			if len(l.take()) > 0 {
				t.Error("handled before it was authenticated")
			}
			p.connected()
			say := ack("2", "")
			if encryption == ignis.EncryptionRequired {
				say = nack("2", wire.CodeForbidden, wire.ErrorEncryptionRequired)
			}
			got, want := p.got(), []string{ack("1", `{"rooms":[{"room":"a"}],"refused":[]}`), say, ack("3", "")}
			if len(got) != len(want) {
				t.Fatalf("received %q", got)
			}
			if encryption == ignis.EncryptionOff && strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("received %q, want %q", got, want)
			}
		})
	}
}

func TestTooManyEarlyMessages(t *testing.T) {
	for name, row := range map[string]struct {
		messages []string
		refused  int
	}{
		"16":         {slices.Repeat([]string{`{"event":"x"}`}, 16), 0},
		"17":         {slices.Repeat([]string{`{"event":"x"}`}, 17), 1},
		"over 8 KiB": {slices.Repeat([]string{`{"event":"x","data":"` + strings.Repeat("x", 4100) + `"}`}, 2), 1},
		"8 KB":       {slices.Repeat([]string{`{"event":"x","data":"` + strings.Repeat("x", 4000) + `"}`}, 2), 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				hold := make(chan struct{})
				var l messages
				n := startMem(t, ignis.Config{OnMessage: l.handle, Authenticate: func(context.Context, ignis.Credentials) (ignis.Identity, error) {
					<-hold
					return ignis.Identity{}, nil
				}})
				p := n.connect()
				p.text(authenticate2)
				for _, m := range row.messages {
					p.text(m)
				}
				p.only(slices.Repeat([]string{failure(wire.ErrorUnauthenticated)}, row.refused)...)
				close(hold)
				if got := len(l.take()); got != len(row.messages)-row.refused {
					t.Errorf("%d messages were handled", got)
				}
			})
		})
	}
	// Clients of protocol 1 must not send any.
	bubble(t, func(t *testing.T) {
		hold := make(chan struct{})
		n := startMem(t, ignis.Config{Authenticate: func(context.Context, ignis.Credentials) (ignis.Identity, error) {
			<-hold
			return ignis.Identity{}, nil
		}})
		p := n.connect()
		p.text(authenticate)
		p.text(`{"event":"x"}`)
		p.only(failure(wire.ErrorUnauthenticated))
		close(hold)
	})
}
