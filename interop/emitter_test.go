package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/redistest"
)

// emission is a message that an emitter sends.
type emission struct {
	to      string // "client", "user", "room" or "broadcast"
	target  string // empty for a broadcast
	event   string
	data    string // JSON, or empty for none
	exclude []string
}

// emit sends a message with an emitter, and returns when Redis has received it.
type emit func(emission)

// newEmitter returns an emitter of the given kind.
func newEmitter(t *testing.T, kind string, redis *redistest.Server) emit {
	t.Helper()
	if kind == kindReference {
		p := startEmitter(t, redis)
		return func(e emission) {
			t.Helper()
			p.call(e.call())
		}
	}
	return func(e emission) {
		t.Helper()
		runEmit(t, redis, e)
	}
}

// call returns the reference's method for a message, and its arguments.
func (e emission) call() (method string, opts options) {
	opts = options{"event": e.event}
	if e.data != "" {
		opts["data"] = json.RawMessage(e.data)
	}
	if e.exclude != nil {
		opts["exclude"] = e.exclude
	}
	switch e.to {
	case "client":
		opts["clientId"] = e.target
		return "toClient", opts
	case "user":
		opts["userId"] = e.target
		return "toUser", opts
	case "room":
		opts["room"] = e.target
		return "toRoom", opts
	}
	return "broadcast", opts
}

// runEmit runs `ignis emit`.
func runEmit(t *testing.T, redis *redistest.Server, e emission) {
	t.Helper()
	args := []string{"emit", e.to}
	if e.to != "broadcast" {
		args = append(args, e.target)
	}
	args = append(args, e.event)
	if e.data != "" {
		args = append(args, e.data)
	}
	for _, id := range e.exclude {
		args = append(args, "--exclude", id)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := childproc.CommandContext(ctx, program, append(args, "--redis", redis.URL())...)
	cmd.Env = cleanEnvironment()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ignis %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// TestEmitters makes each emitter send to the clients of each server.
func TestEmitters(t *testing.T) {
	for _, from := range []string{kindReference, kindIgnis} {
		for _, to := range []string{kindReference, kindIgnis} {
			t.Run(from+" to "+to, func(t *testing.T) {
				redis := redistest.Start(t)
				// Clients that do not authenticate must stay connected until the end.
				s := startServer(t, to, redis, settings{authTimeout: time.Minute})
				send := newEmitter(t, from, redis)
				testEmitter(t, s, send)
				if from == kindIgnis { // the reference's broadcast has no exclude
					testBroadcastExclude(t, s, send)
				}
			})
		}
	}
}

const odd = `{"text":"<b>&` + "\u2028" + `é🔥","none":null,"list":[1,"2",{}]}`

func testEmitter(t *testing.T, s *server, send emit) {
	ann1, ann2 := dial(t, s).login("ann", "lobby"), dial(t, s).login("ann", "lobby")
	bob, carol := dial(t, s).login("bob", "lobby"), dial(t, s).login("carol")
	stranger := dial(t, s)

	all := []*client{ann1, ann2, bob, carol}
	lobby := []*client{ann1, ann2, bob}
	for _, step := range []struct {
		emission
		reaches []*client
	}{
		{emission{"client", ann1.id, "to client", `{"n":1}`, nil}, []*client{ann1}},
		{emission{"client", "nobody", "to no client", `1`, nil}, nil},
		{emission{"client", "ann", "to a user as a client", `1`, nil}, nil},
		{emission{"user", "ann", "to user", `{"n":2}`, nil}, []*client{ann1, ann2}},
		{emission{"user", "nobody", "to no user", `2`, nil}, nil},
		{emission{"room", "lobby", "to room", `[3]`, nil}, lobby},
		{emission{"room", "lobby", "to room but two", `"3"`, []string{ann2.id, bob.id}}, []*client{ann1}},
		{emission{"room", "lobby", "to room but nobody", `3`, []string{"nobody"}}, lobby},
		{emission{"room", "empty", "to no room", `3`, nil}, nil},
		{emission{"room", carol.id, "to a client as a room", `true`, nil}, []*client{carol}},
		{emission{"room", "ws-default", "to a default room", `false`, nil}, all},
		{emission{"broadcast", "", "to all", odd, nil}, all},
		{emission{"broadcast", "", "null", `null`, nil}, all},
		{emission{"broadcast", "", "no data", ``, nil}, all},
		{emission{"broadcast", "", "<&> é🔥", `0`, nil}, all},
		{emission{"broadcast", "", "end", `0`, nil}, all},
	} {
		send(step.emission)
		for _, c := range step.reaches {
			c.expect(step.message())
		}
	}
	checkSilent(t, stranger, all...)
}

func testBroadcastExclude(t *testing.T, s *server, send emit) {
	a, b := dial(t, s).login("a"), dial(t, s).login("b")
	e := emission{"broadcast", "", "to all but one", `4`, []string{a.id}}
	send(e)
	b.expect(e.message())
	checkSilent(t, dial(t, s), a, b)
}

// message returns what clients receive for an emission.
func (e emission) message() string {
	event, _ := json.Marshal(e.event) // escapes <, > and &
	message := `{"event":` + strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(event))
	if e.data != "" {
		message += `,"data":` + e.data
	}
	return message + "}"
}

// checkSilent checks that no message is in flight to the clients. The stranger is not
// authenticated.
func checkSilent(t *testing.T, stranger *client, clients ...*client) {
	t.Helper()
	for _, c := range clients {
		c.fence()
	}
	stranger.send("x")
	stranger.expect(badFormat)
}

// tap is a subscription to everything that emitters and servers publish.
type tap struct{ *process }

func newTap(t *testing.T, redis *redistest.Server) tap {
	t.Helper()
	all := func(string) bool { return true }
	p := start(t, "redis-cli", all, nil, "redis-cli", "-p", fmt.Sprint(redis.Port()), "psubscribe", "ws:*")
	for range 3 { // the confirmation
		p.next()
	}
	return tap{p}
}

// next returns the next published message: channel and payload.
func (p tap) next() string {
	p.t.Helper()
	if kind := p.process.next(); kind != "pmessage" {
		p.t.Fatalf("redis-cli said %s", kind)
	}
	_ = p.process.next() // the pattern
	return p.process.next() + " " + p.process.next()
}

// TestEnvelopes checks that both emitters publish the same envelopes, byte for byte.
func TestEnvelopes(t *testing.T) {
	for _, kind := range []string{kindReference, kindIgnis} {
		t.Run(kind, func(t *testing.T) {
			redis := redistest.Start(t)
			published := newTap(t, redis)
			send := newEmitter(t, kind, redis)
			for _, step := range []struct {
				emission
				want string
			}{
				{emission{"client", "c1", "e", `{"a":[1,null]}`, nil}, `ws:client:c1 {"serverId":"emitter","type":"client","target":"c1","event":"e","data":{"a":[1,null]}}`},
				{emission{"user", "u1", "e", `"<&>"`, nil}, `ws:user:u1 {"serverId":"emitter","type":"user","target":"u1","event":"e","data":"<&>"}`},
				{emission{"room", "r1", "e", odd, nil}, `ws:room:r1 {"serverId":"emitter","type":"room","target":"r1","event":"e","data":` + odd + `}`},
				{emission{"room", "r1", "e", `null`, []string{"c1", "c2"}}, `ws:room:r1 {"serverId":"emitter","type":"room","target":"r1","event":"e","data":null,"exclude":["c1","c2"]}`},
				{emission{"room", "é <&>", "e", `0`, nil}, `ws:room:é <&> {"serverId":"emitter","type":"room","target":"é <&>","event":"e","data":0}`},
				{emission{"broadcast", "", "e", `false`, nil}, `ws:broadcast {"serverId":"emitter","type":"broadcast","event":"e","data":false}`},
				{emission{"broadcast", "", "e", ``, nil}, `ws:broadcast {"serverId":"emitter","type":"broadcast","event":"e"}`},
			} {
				send(step.emission)
				if got := published.next(); got != step.want {
					t.Errorf("got  %s\nwant %s", got, step.want)
				}
			}
		})
	}
}
