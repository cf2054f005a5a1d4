package ignis_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// tooMany is the close frame for a client that has sent too much before authentication.
const tooMany = "<close 4007 Too many messages>"

// A few mistakes are answered. One more closes the connection.
func TestMistakesBeforeAuthentication(t *testing.T) {
	for name, tt := range map[string]struct{ text, answer string }{
		"not JSON":      {`x`, wire.ErrorFormat},
		"not a message": {`[]`, ""},
		"too early":     {`{"event":"join","data":{"rooms":["a"]}}`, wire.ErrorUnauthenticated},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				n := startMem(t, ignis.Config{})
				p := n.connect()
				var want []string
				for range 9 {
					p.text(tt.text)
					if tt.answer != "" {
						want = append(want, failure(tt.answer))
					}
				}
				p.only(append(want, tooMany, "<end>")...)
				if s := n.Stats(); s.Disconnects["too much before authentication"] != 1 || s.Received != 9 {
					t.Errorf("counted %+v", s)
				}
				if n.log.Count("sent too much before authentication") != 1 {
					t.Errorf("log: %s", n.log)
				}
			})
		})
	}
}

// The number of frames of any kind before authentication is limited. None of these is a
// mistake by itself.
func TestFramesBeforeAuthentication(t *testing.T) {
	for name, frame := range map[string][]byte{
		"heartbeats": encode(ws.NewTextFrame([]byte(`{"event":"heartbeat"}`))),
		"pings":      encode(ws.NewPingFrame(nil)),
		"pongs":      encode(ws.NewPongFrame([]byte(strings.Repeat("x", 125)))),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				n := startMem(t, ignis.Config{})
				p := n.connect()
				for range 64 {
					p.bytes(frame)
				}
				synctest.Wait()
				if s := n.Stats(); s.Clients != 1 {
					t.Errorf("disconnected after 64 frames: %v", s.Disconnects)
				}
				p.got()
				p.bytes(frame)
				p.expect(tooMany, "<end>")
				if s := n.Stats(); s.Disconnects["too much before authentication"] != 1 {
					t.Errorf("counted %+v", s)
				}
			})
		})
	}
}

func TestFragmentsBeforeAuthentication(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{AuthMaxFrames: 5})
		p := n.connect()
		p.bytes(encode(ws.NewFrame(ws.OpText, false, []byte("x"))))
		for range 4 {
			p.bytes(encode(ws.NewFrame(ws.OpContinuation, false, nil)))
		}
		synctest.Wait()
		if n.Stats().Clients != 1 {
			t.Fatal("disconnected too early")
		}
		p.bytes(encode(ws.NewFrame(ws.OpContinuation, true, nil)))
		p.expect(tooMany, "<end>")
	})
}

// Before authentication a message must be small. Its header is enough to refuse it.
func TestPayloadBeforeAuthentication(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{})
		p := n.connect()
		frame := encode(ws.NewTextFrame([]byte(strings.Repeat(" ", 8<<10+1))))
		p.bytes(frame[:8])
		p.expect("<close 1009 message over 8192 bytes>", "<end>")

		p = n.connect()
		credentials := `{"event":"authenticate","data":{"user":"ann","x":"%s"}}`
		fill := strings.Repeat("x", 8<<10-len(credentials)+2)
		p.text(fmt.Sprintf(credentials, fill))
		if got := p.next(); !strings.Contains(got, "connected") {
			t.Fatalf("credentials of 8 KiB: %s", got)
		}
		large := strings.Repeat(" ", 100<<10)
		p.text(`{"event":"x"}` + large)
		for range 100 {
			p.text(`x`)
			p.expect(failure(wire.ErrorFormat))
		}
		p.only()
	})
}

// The limits can be configured.
func TestLimitsBeforeAuthentication(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{AuthMaxPayload: 20, AuthMaxMistakes: 1})
		p := n.connect()
		p.text(strings.Repeat("x", 20))
		p.text("x")
		p.only(failure(wire.ErrorFormat), failure(wire.ErrorFormat), tooMany, "<end>")
		p = n.connect()
		p.text(strings.Repeat("x", 21))
		p.expect("<close 1009 message over 20 bytes>", "<end>")
	})
}

// At most MaxRoomsPerRequest names of a join are decoded, and the others are counted.
func TestJoinOfTooManyNames(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{ValidateRooms: allRooms, MaxRoomsPerRequest: 3})
		p := n.login("ann")
		p.text(`{"event":"join","data":{"rooms":["a",5,"b"` + strings.Repeat(`,"x"`, 20_000) + `]}}`)
		p.only()
		info, _ := n.Client(p.id)
		for _, room := range []string{"a", "b"} {
			if !slices.Contains(info.Rooms, room) {
				t.Errorf("not in room %s: %v", room, info.Rooms)
			}
		}
		if s := n.Stats().RefusedJoins; s["too many names in one request"] != 20_000 || s["name not allowed"] != 1 {
			t.Errorf("refused: %v", s)
		}
	})
}

// At the limit Config.MaxClients, further connections are answered with 503 until a
// client disconnects.
func TestMaxClients(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{MaxClients: 2})
		first, _ := n.login("ann"), n.connect()
		synctest.Wait()
		for range 3 {
			w := httptest.NewRecorder()
			n.ServeHTTP(w, upgradeRequest())
			if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
				t.Errorf("the third connection is answered with %d", w.Code)
			}
		}
		if s := n.Stats(); s.RefusedFull != 3 || s.Clients != 2 || n.log.Count("Config.MaxClients") != 1 {
			t.Errorf("counted %+v", s)
		}
		_ = first.conn.Close()
		synctest.Wait()
		n.login("bob")
	})
}
