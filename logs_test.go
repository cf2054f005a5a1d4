package ignis_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// What clients, envelopes and callbacks can cause at will is logged once in ten
// seconds, with how many lines were left out.
func TestLogIsNotFlooded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newFakeBus()
		log := &logBuffer{}
		n := startMem(t, ignis.Config{
			Bus:       b,
			Logger:    slog.New(slog.NewTextHandler(log, nil)), // as in production: no debug lines
			OnMessage: func(context.Context, *ignis.Client, wire.Message) error { return errors.New("no luck") },
		})
		p := n.login("ann")
		for range 50 {
			p.text(`{"event":"x"}`)
			p.join(names("a"))
			p.join(``)
			p.text("no JSON")
			p.text("5")
			p.got()
			b.in <- []byte("x")
		}
		p.got()
		for _, text := range []string{"OnMessage failed", "join refused: not allowed", "join refused: malformed", "malformed envelope"} {
			if got := log.count(text); got != 1 {
				t.Errorf("%q logged %d times", text, got)
			}
		}
		if lines := log.count("\n"); lines > 6 {
			t.Errorf("%d lines:\n%s", lines, log)
		}
		time.Sleep(10 * time.Second)
		p.text(`{"event":"x"}`)
		p.got()
		if log.count("OnMessage failed") != 2 || !log.has("skipped=49") {
			t.Errorf("afterwards:\n%s", log)
		}
	})
}

// A run with everything in it that ends in the log, and not one payload, token
// or room name of a client there.
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
		cfg.OnMessage = func(_ context.Context, _ *ignis.Client, m wire.Message) error {
			var wrong struct{ A int }
			return m.Decode(&wrong)
		}
		n := startMem(t, cfg)
		p := n.login("ann")
		q := n.connect()
		q.text(`{"event":"authenticate","data":{"type":"fail","token":"` + secret + `"}}`)
		for _, text := range []string{
			secret, `"` + secret + `"`, `{"data":"` + secret + `"}`, `{"event":"x","data":{"a":"` + secret + `"}}`,
			`{"event":"connected","data":"` + secret + `"}`, `{"event":"join","data":{"rooms":["` + secret + `","ws:` + secret + `"]}}`,
			`{"event":"leave","data":"` + secret + `"}`, secretly(`{"event":"x","data":{"A":"` + secret + `"}}`), secretly(secret),
			secretly(`{"event":"encrypted","data":"` + secret + `"}`),
		} {
			p.text(text)
		}
		b.fail(errors.New("down"))
		_ = n.Send(context.Background(), ignis.Room(secret), "x", secret)
		b.in <- []byte(secret)
		b.in <- []byte(`{"serverId":"` + secret + `","type":"` + secret + `","event":5}`)
		_ = n.Broadcast("x", json.RawMessage(secret))
		p.got()
		for _, text := range []string{"server is ready", "OnMessage failed", "message dropped", "malformed envelope", "bus refused", "encrypted message refused"} {
			if !n.log.has(text) {
				t.Errorf("the run did not come to %q", text)
			}
		}
		if strings.Contains(n.log.String(), secret) {
			t.Errorf("in the log:\n%s", n.log)
		}
	})
}
