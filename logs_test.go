package ignis_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/logtest"
	"github.com/ignis-go/ignis/wire"
)

// Lines that clients, envelopes and callbacks can cause at will are logged once in ten
// seconds, and then the number of lines left out.
func TestLogIsNotFlooded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newFakeBus()
		log := &logtest.Log{}
		n := startMem(t, ignis.Config{
			Bus:       b,
			Logger:    log.Logger(), // as in production: no debug lines
			OnMessage: func(context.Context, *ignis.Client, wire.Message) (any, error) { return nil, errors.New("no luck") },
		})
		p := n.login("ann")
		for range 50 {
			p.text(`{"event":"x"}`)
			p.join(names("a"))
			p.join(``)
			p.text("not JSON")
			p.text("5")
			p.got()
			b.in <- []byte("x")
		}
		p.got()
		for _, text := range []string{"OnMessage failed", "join refused: not allowed", "join refused: malformed", "malformed envelope"} {
			if got := log.Count(text); got != 1 {
				t.Errorf("%q logged %d times", text, got)
			}
		}
		if lines := log.Count("\n"); lines > 6 {
			t.Errorf("%d lines:\n%s", lines, log)
		}
		time.Sleep(10 * time.Second)
		p.got()
		if log.Count("OnMessage failed") != 2 || !log.Has(`error="no luck" more=49 in_the_last=10s`) {
			t.Errorf("afterwards:\n%s", log)
		}
		p.text(`{"event":"x"}`)
		p.got()
		n.stop()
		if err := <-n.ran; err != nil {
			t.Fatal(err)
		}
		if !log.Has(`error="no luck" more=1 in_the_last=`) {
			t.Errorf("at the end:\n%s", log)
		}
	})
}

// Causes every kind of log line, and checks that the log contains no payload or token.
func TestNoPayloadInTheLog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newFakeBus()
		cfg := keys(plain)
		cfg.Bus = b
		cfg.Authenticate = func(ctx context.Context, c ignis.Credentials) (ignis.Identity, error) {
			if c.Type == "fail" {
				return ignis.Identity{}, errors.New("no database")
			}
			return anyone(ctx, c)
		}
		cfg.OnMessage = func(_ context.Context, _ *ignis.Client, m wire.Message) (any, error) {
			if m.Event == "fail" {
				return nil, errors.New("no luck")
			}
			var wrong struct{ A int }
			return nil, m.Decode(&wrong)
		}
		n := startMem(t, cfg)
		p := n.login("ann")
		q := n.connect()
		q.text(`{"event":"authenticate","data":{"type":"fail","token":"` + secret + `"}}`)
		for _, text := range []string{
			secret, `"` + secret + `"`, `{"data":"` + secret + `"}`, `{"event":"x","data":{"a":"` + secret + `"}}`, secretly(`{"event":"x","data":{"A":` + digits + `}}`),
			`{"event":"connected","data":"` + secret + `"}`, `{"event":"join","data":{"rooms":["private","ws:private",{"` + secret + `":5}],"x":"` + secret + `"}}`,
			`{"event":"leave","data":"` + secret + `"}`, secretly(`{"event":"x","data":{"A":"` + secret + `"}}`), secretly(secret),
			secretly(`{"event":"encrypted","data":"` + secret + `"}`), secretly(`{"event":"fail","data":"` + secret + `"}`),
		} {
			p.text(text)
		}
		b.fail(errors.New("down"))
		_ = n.Send(context.Background(), ignis.ToRoom(secret), "x", secret)
		b.in <- []byte(secret)
		b.in <- []byte(`{"serverId":"` + secret + `","type":"` + secret + `","event":5}`)
		_ = n.SendLocal(ignis.ToEveryone(), "x", json.RawMessage(secret))
		p.got()
		for _, text := range []string{"server is ready", "OnMessage failed", "message dropped", "malformed envelope", "bus refused", "encrypted message refused", "cannot unmarshal number into"} {
			if !n.log.Has(text) {
				t.Errorf("the log does not contain %q", text)
			}
		}
		if strings.Contains(n.log.String(), secret) || n.log.Has(digits[:20]) {
			t.Errorf("in the log:\n%s", n.log)
		}
	})
}

// digits is a number that no log may contain.
var digits = strings.Repeat("31415926535897932384", 4000)

// Nine clients rejected for nine reasons produce nine lines. A reason whose text varies
// with the client counts as one.
func TestEachReasonIsLogged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{AuthMaxPayload: 100 << 10, MaxToken: 100 << 10, Authenticate: func(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
			if c.Type == "expired" {
				return ignis.Identity{}, errors.Join(ignis.ErrUnauthenticated, expired(c.Token))
			}
			return ignis.Identity{}, fmt.Errorf("%w: %s", ignis.ErrUnauthenticated, c.Token)
		}})
		for range 3 {
			for i := range 9 {
				n.connect().text(fmt.Sprintf(`{"event":"authenticate","data":{"token":"reason %d"}}`, i))
			}
			n.connect().text(`{"event":"authenticate","data":{"type":"expired","token":"ann"}}`)
			n.connect().text(`{"event":"authenticate","data":{"type":"expired","token":"bob"}}`)
		}
		n.connect().text(`{"event":"authenticate","data":{"token":"\u001b[2J\u202e` + strings.Repeat("x", 90_000) + `"}}`)
		synctest.Wait()
		if got := n.log.Count(`msg="client rejected"`); got != 11 {
			t.Errorf("%d lines for eleven reasons", got)
		}
		if !n.log.Has("expired, of ") || len(n.log.String()) > 30_000 || !n.log.Has(`\\u001b[2J\\u202exxx`) {
			t.Errorf("the log has %d bytes:\n%.15000s", len(n.log.String()), n.log)
		}
		n.stop()
		<-n.ran
		if !n.log.Has("error=expired more=5 ") || n.log.Count("more=2 ") != 9 {
			t.Errorf("at the end:\n%.20000s", n.log)
		}
	})
}

// expired is an error that names the user whose token has expired.
type expired string

func (e expired) Error() string    { return "expired, of " + string(e) }
func (e expired) LogCause() string { return "expired" }

func TestRefusedJoinIsLoggedWithRoomAndUser(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{})
		p := n.login("ann")
		p.join(names("staff\x1b[2J"))
		p.join(names(strings.Repeat("x", 100_000)))
		p.join(`{"rooms":[5]}`)
		p.got()
		for _, line := range []string{
			`msg="join refused: not allowed by the application" server=` + n.ID() + ` client=` + n.Clients()[0].ID + ` user=ann room=staff\u001b[2J`,
			`user=ann room="xxx`,
			`msg="join refused: name not allowed"`,
		} {
			if !n.log.Has(line) {
				t.Errorf("%s is not in the log:\n%.9000s", line, n.log)
			}
		}
		if n.log.Has(strings.Repeat("x", 1000)) {
			t.Error("a room of 100,000 bytes is in the log")
		}
	})
}
