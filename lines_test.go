package ignis_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/seal"
	"github.com/ignis-go/ignis/wire"
)

// All log lines that clients, callbacks and the bus can cause, with their attributes.
func TestLogLines(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newFakeBus()
		n := startMem(t, ignis.Config{
			Bus: b, Encryption: ignis.EncryptionOptional, MaxRooms: 1, MaxRoomsPerRequest: 3,
			Authenticate: func(ctx context.Context, c ignis.Credentials) (ignis.Identity, error) {
				if c.Type == "broken" {
					return ignis.Identity{}, errors.New("no database")
				}
				return anyone(ctx, c)
			},
			ValidateRooms: func(_ context.Context, _ *ignis.Client, rooms []string) ([]string, error) {
				if rooms[0] == "broken" {
					return nil, errors.New("no rights")
				}
				return rooms, nil
			},
			OnConnect: func(_ context.Context, c *ignis.Client) {
				if c.UserID == "panics" {
					panic("no luck")
				}
			},
			OnMessage: func(context.Context, *ignis.Client, wire.Message) (any, error) { return nil, errors.New("no effect") },
		})
		n.connect().text(`{"event":"authenticate","data":{"token":"bad"}}`)
		n.connect().text(`{"event":"authenticate","data":{"type":"broken"}}`)
		n.connect().text(offering("ann", "no key"))
		n.login("panics")
		p := n.login("ann")
		for _, text := range []string{"5", `{"event":"error"}`, `{"event":"x"}`, `{"event":"leave","data":5}`, `{"event":"encrypted","data":5}`} {
			p.text(text)
		}
		p.text(`{"event":"leave","data":` + names("a", "b", "c", "d") + `}`)
		p.join(names("broken"))
		p.join(names("a", "ws:b", "a", "d"))
		p.join(names("e", "f", "g"))
		p.got()
		_ = n.Disconnect(p.id, 4321, "enough")
		b.in <- []byte("malformed")
		b.fail(errors.New("full"))
		_ = n.Send(context.Background(), ignis.ToEveryone(), "x", 1)
		synctest.Wait()
		n.stop()
		if err := <-n.ran; err != nil {
			t.Error(err)
		}
		n.ran <- nil
		for _, line := range []string{
			`INFO msg="server is ready"`,
			`DEBUG msg="client connected" .*client=.+ remote=.+`,
			`INFO msg="client rejected" .*client=.+ remote=.+ .*error=.+`,
			`WARN msg="Authenticate failed" .*client=.+ error="no database"`,
			`INFO msg="encryption handshake refused" .*client=.+ error=.+`,
			`DEBUG msg="client authenticated" .*client=` + p.id + ` user=ann`,
			`ERROR msg="OnConnect panicked" .*client=.+ panic="no luck" stack=.+`,
			`DEBUG msg="message dropped" .*client=` + p.id + ` error=.+`,
			`DEBUG msg="message dropped: only servers send this event" .*client=` + p.id + ` event=error`,
			`WARN msg="OnMessage failed" .*client=` + p.id + ` user=ann remote=pipe error="no effect"`,
			`DEBUG msg="message dropped: malformed leave" .*client=` + p.id,
			`DEBUG msg="encrypted message refused" .*client=` + p.id + ` error="the client is not encrypted"`,
			`INFO msg="leave refused: too many names in one request" .*client=` + p.id,
			`WARN msg="ValidateRooms failed" .*client=` + p.id + ` user=ann remote=pipe error="no rights"`,
			`INFO msg="join refused: too many names in one request" .*client=` + p.id,
			`INFO msg="join refused: name not allowed" .*client=` + p.id,
			`INFO msg="join refused: in too many rooms" .*client=` + p.id,
			`INFO msg="join refused: not allowed by the application" .*client=` + p.id,
			`DEBUG msg="client joined rooms" .*client=` + p.id + ` rooms=1`,
			`DEBUG msg="client disconnected" .*client=` + p.id + ` cause="closed by the application" code=4321`,
			`WARN msg="malformed envelope from the bus" .*bytes=9 error=.+`,
			`WARN msg="bus refused an envelope" .*error=full`,
			`INFO msg="server is shutting down" .*clients=1`,
			`WARN msg="bus stopped with an error" .*error=stopped`,
			`INFO msg="server has shut down"`,
		} {
			found := false
			for text := range strings.Lines(n.log.String()) {
				found = found || regexp.MustCompile("level="+line).MatchString(text) && strings.Contains(text, "server="+n.ID())
			}
			if !found {
				t.Errorf("not in the log: %s", line)
			}
		}
		if t.Failed() {
			t.Log(n.log)
		}
	})
}

// Errors and panics of AgreeKeys are logged, and so are ciphers that cannot seal.
func TestLogLinesOfHandshakes(t *testing.T) {
	for want, handshake := range map[string]func() (*ignis.Cipher, error){
		`level=WARN msg="AgreeKeys failed" .*client=.+ error="no keys"`:         func() (*ignis.Cipher, error) { return nil, errors.New("no keys") },
		`level=WARN msg="AgreeKeys failed" .*client=.+ error="the cipher has `:  func() (*ignis.Cipher, error) { return &ignis.Cipher{}, nil },
		`level=WARN msg="AgreeKeys failed" .*client=.+ error="the cipher has n`: func() (*ignis.Cipher, error) { return &ignis.Cipher{Key: &seal.Key{}}, nil },
		`level=ERROR msg="AgreeKeys panicked" .*client=.+ panic="no luck"`:      func() (*ignis.Cipher, error) { panic("no luck") },
	} {
		bubble(t, func(t *testing.T) {
			n := startMem(t, ignis.Config{
				Encryption: ignis.EncryptionRequired,
				AgreeKeys: func(context.Context, *ignis.Client, ignis.Credentials) (*ignis.Cipher, error) {
					return handshake()
				},
			})
			p := n.connect()
			p.text(`{"event":"authenticate"}`)
			p.only(append([]string{failure(wire.ErrorHandshake)}, closed(4004)...)...)
			if !regexp.MustCompile(want).MatchString(n.log.String()) {
				t.Errorf("not in the log: %s\n%s", want, n.log)
			}
		})
	}
}
