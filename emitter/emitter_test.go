package emitter_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// outbox is a Publisher that records its arguments and returns a result that tests choose.
type outbox struct {
	calls  [][]string // of each call: channel, a space and the envelope
	answer []error
}

func (o *outbox) Publish(_ context.Context, envelopes ...wire.Publication) []error {
	var call []string
	for _, e := range envelopes {
		call = append(call, e.Channel+" "+string(e.Envelope))
	}
	o.calls = append(o.calls, call)
	return o.answer
}

func newEmitter(t *testing.T, c emitter.Config) (*emitter.Emitter, *outbox) {
	t.Helper()
	out := new(outbox)
	e, err := emitter.New(out, c)
	if err != nil {
		t.Fatal(err)
	}
	return e, out
}

func TestEnvelopes(t *testing.T) {
	ctx := t.Context()
	ann := wire.Sender{ID: "c1", UserID: "ann"}
	for name, test := range map[string]struct {
		send func(e *emitter.Emitter) error
		want string
	}{
		"client": {
			func(e *emitter.Emitter) error { return e.Send(ctx, wire.ToClient("c1"), "hi", "x") },
			`ws:client:c1 {"serverId":"emitter","type":"client","target":"c1","event":"hi","data":"x"}`,
		},
		"user, no escaping": {
			func(e *emitter.Emitter) error {
				return e.Send(ctx, wire.ToUser("ann"), "hi", map[string]string{"a": "<&>\u2028"})
			},
			`ws:user:ann {"serverId":"emitter","type":"user","target":"ann","event":"hi","data":{"a":"<&>` + "\u2028" + `"}}`,
		},
		"room with all options": {
			func(e *emitter.Emitter) error {
				return e.Send(ctx, wire.ToRoom("lobby"), "hi", map[string]int{"n": 1},
					wire.Except("c1"), wire.Key("k"), wire.From(ann), wire.Except("c2"))
			},
			`ws:room:lobby {"serverId":"emitter","type":"room","target":"lobby","event":"hi","data":{"n":1,"from":{"id":"c1","userId":"ann"}},` +
				`"exclude":["c1","c2"],"from":{"id":"c1","userId":"ann"},"key":"k"}`,
		},
		"room, as a Message": {
			func(e *emitter.Emitter) error {
				return e.SendAll(ctx, emitter.Message{
					To: wire.ToRoom("lobby"), Event: "hi", Data: map[string]int{"n": 1},
					Exclude: []string{"c1", "c2"}, Key: "k", From: ann,
				})
			},
			`ws:room:lobby {"serverId":"emitter","type":"room","target":"lobby","event":"hi","data":{"n":1,"from":{"id":"c1","userId":"ann"}},` +
				`"exclude":["c1","c2"],"from":{"id":"c1","userId":"ann"},"key":"k"}`,
		},
		"Except does not apply to a user": {
			func(e *emitter.Emitter) error {
				return e.Send(ctx, wire.ToUser("ann"), "hi", 1, wire.Except("c1"))
			},
			`ws:user:ann {"serverId":"emitter","type":"user","target":"ann","event":"hi","data":1}`,
		},
		"broadcast, raw data untouched": {
			func(e *emitter.Emitter) error {
				return e.Send(ctx, wire.ToEveryone(), "hi", json.RawMessage(`{"n":12345678901234567890123}`))
			},
			`ws:broadcast {"serverId":"emitter","type":"broadcast","event":"hi","data":{"n":12345678901234567890123}}`,
		},
		"absent data": {
			func(e *emitter.Emitter) error { return e.Send(ctx, wire.ToEveryone(), "hi", nil) },
			`ws:broadcast {"serverId":"emitter","type":"broadcast","event":"hi"}`,
		},
		"null data, system name": {
			func(e *emitter.Emitter) error {
				return e.Send(ctx, wire.ToEveryone(), "error", json.RawMessage("null"))
			},
			`ws:broadcast {"serverId":"emitter","type":"broadcast","event":"error","data":null}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, out := newEmitter(t, emitter.Config{})
			if err := test.send(e); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([][]string{{test.want}}, out.calls); diff != "" {
				t.Errorf("published (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBadMessagesSendNothing(t *testing.T) {
	e, out := newEmitter(t, emitter.Config{})
	ctx, good := t.Context(), emitter.Message{To: wire.ToEveryone(), Event: "good"}
	for name, err := range map[string]error{
		"no event":            e.Send(ctx, wire.ToUser("ann"), "", 1),
		"no target":           e.Send(ctx, wire.ToRoom(""), "hi", 1),
		"zero address":        e.Send(ctx, wire.Address{}, "hi", 1, wire.Except("x")),
		"connected":           e.Send(ctx, wire.ToEveryone(), "connected", 1),
		"encrypted":           e.Send(ctx, wire.ToEveryone(), "encrypted", 1),
		"malformed raw":       e.Send(ctx, wire.ToEveryone(), "hi", json.RawMessage(`{`)),
		"not encodable":       e.Send(ctx, wire.ToEveryone(), "hi", func() {}),
		"event not UTF-8":     e.Send(ctx, wire.ToEveryone(), "h\xffi", 1),
		"target not UTF-8":    e.Send(ctx, wire.ToUser("a\xff"), "hi", 1),
		"exclude not UTF-8":   e.Send(ctx, wire.ToEveryone(), "hi", 1, wire.Except("a", "\xff")),
		"key not UTF-8":       e.Send(ctx, wire.ToEveryone(), "hi", 1, wire.Key("\xff")),
		"sender not UTF-8":    e.Send(ctx, wire.ToEveryone(), "hi", 1, wire.From(wire.Sender{ID: "a", UserID: "\xff"})),
		"sender without ID":   e.Send(ctx, wire.ToEveryone(), "hi", 1, wire.From(wire.Sender{UserID: "ann"})),
		"unknown type":        e.SendAll(ctx, good, emitter.Message{To: wire.Address{Type: "planet", Name: "x"}, Event: "hi"}),
		"target of everyone":  e.SendAll(ctx, good, emitter.Message{To: wire.Address{Type: wire.TypeBroadcast, Name: "x"}, Event: "hi"}),
		"exclude of a client": e.SendAll(ctx, good, emitter.Message{To: wire.ToClient("x"), Event: "hi", Exclude: []string{"y"}}),
	} {
		if !errors.Is(err, emitter.ErrMessage) {
			t.Errorf("%s: error = %v, want one that wraps ErrMessage", name, err)
		}
	}
	if err := good.Check(); err != nil {
		t.Errorf("Check of a good message: %v", err)
	}
	if err := new(emitter.Message).Check(); !errors.Is(err, emitter.ErrMessage) {
		t.Errorf("Check of a bad message: %v", err)
	}
	if err := e.SendAll(ctx, good, emitter.Message{To: wire.ToEveryone()}); err == nil || !strings.Contains(err.Error(), "message 2 of 2: no event") {
		t.Errorf("the second of two: %v", err)
	}
	if len(out.calls) > 0 {
		t.Errorf("an invalid message, or one of its batch, was published: %q", out.calls)
	}
}

// SendAll calls the Publisher once for all messages, and not at all without messages.
func TestSendAllPublishesOnce(t *testing.T) {
	e, out := newEmitter(t, emitter.Config{})
	if err := e.SendAll(t.Context()); err != nil || len(out.calls) > 0 {
		t.Errorf("no messages: %v, %q", err, out.calls)
	}
	var batch []emitter.Message
	var want []string
	for i := range 1000 {
		batch = append(batch, emitter.Message{To: wire.ToRoom("r"), Event: fmt.Sprint("n", i)})
		want = append(want, fmt.Sprintf(`ws:room:r {"serverId":"emitter","type":"room","target":"r","event":"n%d"}`, i))
	}
	if err := e.SendAll(t.Context(), batch...); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]string{want}, out.calls); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
}

// The Publisher's error for each envelope reaches the caller, with everything that it
// wraps, such as ErrNotSent.
func TestPublisherErrors(t *testing.T) {
	e, out := newEmitter(t, emitter.Config{})
	own := errors.New("the planets are not aligned")
	notSent := fmt.Errorf("%w: %w", wire.ErrNotSent, own)
	m := emitter.Message{To: wire.ToUser("ann"), Event: "hi"}

	out.answer = []error{nil}
	if err := e.Send(t.Context(), wire.ToEveryone(), "hi", 1); err != nil {
		t.Errorf("one result that is nil: %v", err)
	}
	out.answer = []error{own}
	for range 2 { // the Publisher's slice is not modified
		err := e.Send(t.Context(), wire.ToEveryone(), "hi", 1)
		if !errors.Is(err, own) || errors.Is(err, wire.ErrNotSent) || err.Error() != "emitter: not confirmed: the planets are not aligned" {
			t.Errorf("Send = %v", err)
		}
	}
	out.answer = []error{notSent}
	if err := e.Send(t.Context(), wire.ToEveryone(), "hi", 1); !errors.Is(err, own) || !errors.Is(err, wire.ErrNotSent) {
		t.Errorf("Send = %v, want an error that wraps ErrNotSent", err)
	}
	out.answer = []error{nil, own, notSent}
	err := e.SendAll(t.Context(), m, m, m)
	var b *emitter.BatchError
	if !errors.As(err, &b) || len(b.Errors) != 3 {
		t.Fatalf("SendAll = %v", err)
	}
	if b.Errors[0] != nil || !errors.Is(b.Errors[1], own) || errors.Is(b.Errors[1], wire.ErrNotSent) || !errors.Is(b.Errors[2], wire.ErrNotSent) {
		t.Errorf("errors = %v", b.Errors)
	}
	if want := "2 of 3 messages failed, first message 2: emitter: not confirmed: the planets are not aligned"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if !errors.Is(err, own) {
		t.Errorf("%v does not wrap the Publisher's error", err)
	}

	// If the number of results is wrong, no message may count as not sent.
	out.answer = []error{notSent}
	err = e.SendAll(t.Context(), m, m)
	if !errors.As(err, &b) || len(b.Errors) != 2 || b.Errors[1] == nil || errors.Is(err, wire.ErrNotSent) ||
		!strings.Contains(err.Error(), "1 results for 2 envelopes: not sent: the planets") {
		t.Errorf("SendAll = %v", err)
	}
	out.answer = []error{notSent, nil}
	if err := e.Send(t.Context(), wire.ToEveryone(), "hi", 1); err == nil || errors.Is(err, wire.ErrNotSent) {
		t.Errorf("Send = %v", err)
	}
}

// A message for which Redis would disconnect its receivers is refused before it is sent.
func TestMessageTooLarge(t *testing.T) {
	e, out := newEmitter(t, emitter.Config{MaxMessage: 100})
	frame := len(`{"event":"x","data":""}`)
	if err := e.Send(t.Context(), wire.ToEveryone(), "x", strings.Repeat("a", 100-frame)); err != nil {
		t.Errorf("100 bytes: %v", err)
	}
	err := e.Send(t.Context(), wire.ToEveryone(), "x", strings.Repeat("a", 101-frame))
	if !errors.Is(err, wire.ErrTooLarge) || !errors.Is(err, emitter.ErrMessage) || !strings.Contains(err.Error(), "101 bytes, but the limit is 100") {
		t.Errorf("101 bytes: %v", err)
	}
	if len(out.calls) != 1 {
		t.Errorf("published: %q", out.calls)
	}
	if m := (emitter.Message{To: wire.ToEveryone(), Event: "x", Data: strings.Repeat("a", 1<<20)}); !errors.Is(m.Check(), wire.ErrTooLarge) {
		t.Error("Check accepts more than 1 MiB")
	}
}

func TestNewRefuses(t *testing.T) {
	if _, err := emitter.New(nil, emitter.Config{}); err == nil {
		t.Error("no Publisher: no error")
	}
	if _, err := emitter.New(new(outbox), emitter.Config{MaxMessage: -1}); err == nil {
		t.Error("a negative limit: no error")
	}
}
