package interop

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/internal/redistest"
)

var (
	rejected    = lines(errorEvent("Authentication failed"), "close 4003 Authentication failed")
	failed      = lines(errorEvent("Authentication error"), "close 4003 Authentication failed")
	timedOut    = "close 4001 Authentication timeout"
	unencrypted = "close 4004 Encryption required"
	unshaken    = lines(errorEvent("Encryption handshake failed"), unencrypted)
)

// TestRefusals connects clients that the servers do not accept, for every possible reason.
func TestRefusals(t *testing.T) {
	for _, row := range []struct {
		handshake string
		scripts   []script
	}{
		{"", []script{
			{name: "refused", steps: []step{authenticate(`{"refuse":true}`, rejected...)}},
			{name: "callback fails", steps: []step{authenticate(`{"fail":true}`, failed...)}},
			{name: "callback hangs", steps: []step{
				authenticate(`{"hang":true}`),
				{send: text(`{"event":"x"}`), want: lines(notAuthenticated)},
				{send: text(`{"event":"heartbeat"}`)},
				{send: text(`{"event":"join","data":{"rooms":["a"]}}`), want: lines(notAuthenticated)},
				{send: text(`{"event":"authenticate"}`), want: lines(alreadyAuthenticated)},
				{want: lines(timedOut)},
			}},
			{name: "nothing is sent", steps: []step{{want: lines(timedOut)}}},
			{name: "never authenticates", steps: []step{
				{send: text(`{"event":"heartbeat"}`)},
				{send: text(`{"event":"x"}`), want: lines(notAuthenticated)},
				{want: lines(timedOut)},
			}},
		}},
		{handshakeNone, []script{{name: "no handshake", steps: []step{authenticate(`{}`, unencrypted)}}}},
		{handshakeRefuse, []script{{name: "handshake refused", steps: []step{authenticate(`{}`, unshaken...)}}}},
		{handshakeFail, []script{{name: "handshake fails", steps: []step{{
			send:    text(`{"event":"authenticate","data":{}}`),
			want:    unshaken,
			decided: differs("it was the handshake that failed", failed...),
		}}}}},
		{handshakeAccept, []script{{name: "handshake", fence: noFence, steps: []step{
			authenticate(`{}`, `{"event":"connected","data":{"id":"<id>","time":"<time>","serverPublicKey":"key","salt":"salt"}}`),
		}}}},
	} {
		redis := redistest.Start(t)
		c := settings{authTimeout: time.Second, handshake: row.handshake}
		_, ours := startLibrary(t, redis, c)
		for _, s := range []*server{startReference(t, redis, c), ours} {
			for _, sc := range row.scripts {
				t.Run(s.kind+" "+sc.name, func(t *testing.T) {
					t.Parallel() // the tests mostly wait
					play(t, s, "nobody", sc, 1)
				})
			}
		}
	}
}

const secret = "0123456789abcdef0123456789abcdef"

// token returns a token that is valid for an hour, signed with key.
func token(key, user string, rooms ...string) string {
	encode := base64.RawURLEncoding.EncodeToString
	claims := fmt.Sprintf(`{"sub":%q,"rooms":[%s],"exp":%d}`, user, quoted(rooms), time.Now().Add(time.Hour).Unix())
	signed := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode([]byte(claims))
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(signed))
	return signed + "." + encode(mac.Sum(nil))
}

func quoted(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return `"` + strings.Join(names, `","`) + `"`
}

// TestTokens makes servers of both kinds check tokens, and the rooms that they allow.
func TestTokens(t *testing.T) {
	for _, kind := range []string{kindReference, kindIgnis} {
		t.Run(kind, func(t *testing.T) {
			redis := redistest.Start(t)
			s := startServer(t, kind, redis, settings{secret: secret})
			good := token(secret, "ann", "allowed")
			for _, sc := range []script{
				{name: "no data", steps: []step{{send: text(`{"event":"authenticate"}`), want: rejected}}},
				{name: "no token", steps: []step{authenticate(`{"type":"Bearer"}`, rejected...)}},
				{name: "malformed token", steps: []step{authenticate(`{"token":"x"}`, rejected...)}},
				{name: "token of another type", steps: []step{authenticate(`{"token":5}`, rejected...)}},
				{name: "forged", steps: []step{authenticate(`{"token":"`+token(strings.ToUpper(secret), "ann")+`"}`, rejected...)}},
			} {
				t.Run(sc.name, func(t *testing.T) { play(t, s, "nobody", sc, 1) })
			}
			t.Run("rooms", func(t *testing.T) { testTokenRooms(t, s, redis, good) })
		})
	}
}

func testTokenRooms(t *testing.T, s *server, redis *redistest.Server, token string) {
	p := &player{client: dial(t, s), peer: "nobody"}
	p.send(`{"event":"authenticate","data":{"type":"Bearer","token":"` + token + `"}}`)
	if got := p.nextLine(); got != connectedAs("ann") {
		t.Fatalf("got %s", got)
	}
	p.send(roomsMessage("join", lines("forbidden", "allowed", p.id)))
	publish := func(room string) {
		redis.Do("PUBLISH", "ws:room:"+room, `{"serverId":"x","type":"room","target":"`+room+`","event":"`+room+`"}`)
	}
	// A join is not answered, and messages of clients are not relayed here. So send to the
	// allowed room until the client receives a message, which shows that it has joined.
	deadline := time.After(patience)
	for joined := false; !joined; {
		publish("allowed")
		select {
		case line := <-p.in:
			if joined = line == `{"event":"allowed"}`; !joined {
				t.Fatalf("got %s", line)
			}
		case <-time.After(10 * time.Millisecond):
		case <-deadline:
			t.Fatal("a room that the token allows cannot be joined")
		}
	}
	publish("forbidden")
	publish(p.id)
	for line := p.nextLine(); line != `{"event":"<id>"}`; line = p.nextLine() {
		if line != `{"event":"allowed"}` {
			t.Fatalf("got %s", line)
		}
	}
}

// TestEavesdropping makes a client join the room whose name is the ID of another client.
func TestEavesdropping(t *testing.T) {
	for _, kind := range []string{kindReference, kindIgnis} {
		t.Run(kind, func(t *testing.T) {
			redis := redistest.Start(t)
			s := startServer(t, kind, redis, settings{})
			victim, spy := dial(t, s).login("victim"), dial(t, s).login("spy")
			spy.send(roomsMessage("join", lines(victim.id)))
			spy.fence()
			redis.Do("PUBLISH", "ws:room:x", `{"serverId":"x","type":"room","target":"`+victim.id+`","event":"secret"}`)
			victim.expect(`{"event":"secret"}`)
			redis.Do("PUBLISH", "ws:broadcast", `{"serverId":"x","type":"broadcast","event":"end"}`)
			if kind == kindReference { // our server does not let others join that room
				spy.expect(`{"event":"secret"}`)
			}
			spy.expect(`{"event":"end"}`)
			victim.expect(`{"event":"end"}`)
		})
	}
}

// TestHeartbeat connects two clients, only one of which sends heartbeats.
func TestHeartbeat(t *testing.T) {
	for _, kind := range []string{kindReference, kindIgnis} {
		t.Run(kind, func(t *testing.T) {
			s := startServer(t, kind, redistest.Start(t), settings{heartbeatInterval: 200 * time.Millisecond, heartbeatTimeout: time.Second})
			silent, lively := dial(t, s).login("silent"), dial(t, s).login("lively")
			beat := time.NewTicker(50 * time.Millisecond)
			defer beat.Stop()
			deadline := time.After(patience)
			for ended := false; !ended; {
				select {
				case <-beat.C:
					lively.send(`{"event":"heartbeat"}`)
				case got := <-silent.in:
					if ended = got == "close 4002 Heartbeat timeout"; !ended {
						t.Fatalf("got %s", got)
					}
				case <-deadline:
					t.Fatal("a silent client stayed connected")
				}
			}
			lively.fence()
		})
	}
}

// TestShutdown shuts servers down with clients in every state.
func TestShutdown(t *testing.T) {
	for _, kind := range []string{kindReference, kindIgnis} {
		t.Run(kind, func(t *testing.T) {
			s := startServer(t, kind, redistest.Start(t), settings{authTimeout: time.Minute})
			clients := []*client{dial(t, s), dial(t, s).login("ann", "lobby"), dial(t, s).login("ann")}
			if kind == kindReference {
				s.call("shutdown", nil)
			} else if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			for _, c := range clients {
				c.expect("close 1001 Server shutting down", "lost")
			}
		})
	}
}

// TestUnmasked sends an unmasked frame, which only servers may do.
func TestUnmasked(t *testing.T) {
	for _, kind := range []string{kindReference, kindIgnis} {
		t.Run(kind, func(t *testing.T) {
			c := dial(t, startServer(t, kind, redistest.Start(t), settings{}))
			if err := ws.WriteFrame(c.conn, ws.NewTextFrame([]byte(`{"event":"x"}`))); err != nil {
				t.Fatal(err)
			}
			c.expect("close 1002")
		})
	}
}
