package ignis_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// fakeCommands is a bus that records the commands that are sent, and passes those in its channels
// to its server.
type fakeCommands struct {
	*fakeBus
	stored, sent chan [][]byte
	down         chan error // ends ReceiveCommands

	mu     sync.Mutex
	texts  []string
	refuse error
}

func newFakeCommands() *fakeCommands {
	return &fakeCommands{fakeBus: newFakeBus(), stored: make(chan [][]byte), sent: make(chan [][]byte), down: make(chan error)}
}

func (b *fakeCommands) SendCommands(_ context.Context, commands ...wire.EncodedCommand) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse != nil {
		return b.refuse
	}
	for _, c := range commands {
		b.texts = append(b.texts, string(c.Text)+" "+c.Until.UTC().Format(wire.TimeFormat))
	}
	return nil
}

func (b *fakeCommands) refuseWith(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refuse = err
}

// takeCommands returns what was sent since the last call.
func (b *fakeCommands) takeCommands() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	texts := b.texts
	b.texts = nil
	return texts
}

func (b *fakeCommands) ReceiveCommands(ctx context.Context, stored, sent func(...[]byte)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-b.down:
			return err
		case list := <-b.stored:
			stored(list...)
			for _, text := range list {
				clear(text)
			}
		case list := <-b.sent:
			sent(list...)
			for _, text := range list {
				clear(text)
			}
		}
	}
}

func texts(list ...string) (b [][]byte) {
	for _, text := range list {
		b = append(b, []byte(text))
	}
	return b
}

const annRevoked = `{"version":1,"command":"revoke","to":"user:ann","data":{"until":"2000-01-01T01:00:00.000Z"}}`

// A server accepts no clients until it knows what has been revoked.
func TestServerWaitsForRevocations(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newFakeCommands()
		n := newNode(t, ignis.Config{Bus: b, Authenticate: tokens})
		n.patience = 24 * time.Hour
		n.listen()
		time.Sleep(time.Minute)
		select {
		case <-n.Ready():
			t.Error("ready although the revocations are not known")
		default:
		}
		b.stored <- texts(annRevoked)
		<-n.Ready()
		if _, ok := n.enter(credentials("ann", "", "")); ok {
			t.Error("admitted")
		}
	})
}

// If the stored commands cannot be read, Run fails.
func TestServerWithoutRevocations(t *testing.T) {
	for _, ready := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			b := newFakeCommands()
			n := newNode(t, ignis.Config{Bus: b, Authenticate: tokens})
			if ready {
				b.stored <- nil
				<-n.Ready()
			}
			b.down <- errors.New("no luck")
			if err := <-n.ran; err == nil || !strings.Contains(err.Error(), "no luck") {
				t.Errorf("Run = %v", err)
			}
			n.ran <- nil
		})
	}
}

// Whatever arrives as a command can at most be ignored and counted.
func TestHostileCommands(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newFakeCommands()
		n := newNode(t, ignis.Config{Bus: b, Authenticate: tokens})
		n.patience = 24 * time.Hour
		n.listen()
		data := func(to, data string) string {
			return `{"version":1,"command":"revoke","to":"` + to + `","data":` + data + `}`
		}
		bad := []string{
			"", "x", "null", "[]", `"revoke"`, "\xff", "{}", `{"version":1}`, `{"command":"revoke"}`, `{"version":"1","command":"revoke"}`,
			`{"version":0,"command":"x"}`, `{"version":-1,"command":"x"}`, `{"version":1.5,"command":"x"}`, `{"version":99999999999999999999,"command":"x"}`,
			`{"version":1,"command":5}`, `{"version":1,"command":""}`, `{"version":1,"command":"revoke"}`,
			`{"version":1,"command":"revoke","to":5,"data":{}}`, `{"version":1,"command":"revoke","to":"nowhere","data":{}}`,
			data("user:ann", `{}`), data("user:ann", `5`), data("user:ann", `{"until":5}`), data("user:ann", `{"until":"tomorrow"}`),
			data("user:ann", `{"until":"99999-01-01T00:00:00.000Z"}`), data("user:ann", `{"until":"1960-01-01T00:00:00.000Z"}`),
			data("user:", `{"until":"2000-01-01T01:00:00.000Z"}`), data("room:lobby", `{"until":"2000-01-01T01:00:00.000Z"}`),
			data("everyone", `{"until":"2000-01-01T01:00:00.000Z"}`), data("everyone", `{"until":"2000-01-01T01:00:00.000Z","issuedBefore":null}`),
			data("user:ann", `{"until":"2000-01-01T01:00:00.000Z","token":"t"}`), data("user:"+strings.Repeat("x", 1025), `{"until":"2000-01-01T01:00:00.000Z"}`),
			`{"version":1,"command":"revoke","data":{"until":"2000-01-01T01:00:00.000Z","token":["t"]}}`,
			strings.Repeat("[", 20000), `{"version":1,"command":"revoke","data":` + strings.Repeat(`[`, 600) + strings.Repeat(`]`, 600) + `}`,
			annRevoked + annRevoked, strings.Repeat(" ", wire.MaxCommand) + annRevoked,
		}
		unknown := []string{`{"version":1,"command":"reboot"}`, `{"version":2,"command":"revoke"}`, `{"version":2,"something":"else"}`}
		b.stored <- texts(bad...)
		<-n.Ready()
		p, _ := n.enter(credentials("ann", "t", ""))
		b.sent <- texts(bad...)
		b.sent <- texts(unknown...)
		// One that has ended is ignored without being malformed.
		b.sent <- texts(data("user:ann", `{"until":"1999-01-01T01:00:00.000Z"}`))
		synctest.Wait()
		p.only()
		s := n.Stats()
		if s.Revocations != 0 || s.BadCommands != uint64(2*len(bad)) || s.UnknownCommands != uint64(len(unknown)) || s.Commands != uint64(2*len(bad)+len(unknown)+1) {
			t.Errorf("stats %+v", s)
		}
		if !n.log.Has("malformed command from the bus") {
			t.Error(n.log)
		}
		b.sent <- texts(`{"version":1,"new":[1],"command":"revoke","data":{"x":null,"until":"2000-01-01T01:00:00.000Z"},"to":"user:ann"}`)
		p.only(closed(4006)...)
	})
}

// An error of the bus is reported, after the clients of this server have been closed.
func TestRevokeWithoutTheBus(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newFakeCommands()
		n := newNode(t, ignis.Config{Bus: b, Authenticate: tokens})
		n.patience = 24 * time.Hour
		n.listen()
		b.stored <- nil
		<-n.Ready()
		p, _ := n.enter(credentials("ann", "", ""))
		b.refuseWith(errors.New("no luck"))
		r := ignis.Revocation{UserID: "ann", Until: bubbleStart.Add(time.Hour)}
		var failed *ignis.BusError
		if _, err := n.Revoke(t.Context(), r); !errors.As(err, &failed) || !strings.Contains(err.Error(), "no luck") {
			t.Errorf("Revoke = %v", err)
		}
		p.only(closed(4006)...)
		b.refuseWith(nil)
		// The bus was interrupted. The server sends it what it does not have, once.
		other := strings.Replace(annRevoked, "ann", "bob", 1)
		b.stored <- texts(other)
		synctest.Wait()
		if got := b.takeCommands(); len(got) != 1 || got[0] != annRevoked+" 2000-01-01T01:00:00.000Z" {
			t.Errorf("sent %q", got)
		}
		b.stored <- texts(annRevoked, other)
		synctest.Wait()
		if got := b.takeCommands(); len(got) != 0 {
			t.Errorf("sent %q again", got)
		}
		// So it does if the bus has lost everything.
		b.stored <- nil
		synctest.Wait()
		if got := b.takeCommands(); len(got) != 2 {
			t.Errorf("sent %q, want both", got)
		}
		time.Sleep(time.Hour)
		b.stored <- nil
		synctest.Wait()
		if got := b.takeCommands(); len(got) != 0 {
			t.Errorf("sent %q, which have ended", got)
		}
	})
}

// A bus that carries no commands is an error, but this server's clients are closed.
func TestRevokeWithABusWithoutCommands(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{Bus: newFakeBus(), Authenticate: tokens})
		p, _ := n.enter(credentials("ann", "", ""))
		if _, err := n.Revoke(t.Context(), ignis.Revocation{UserID: "ann", Until: time.Now().Add(time.Hour)}); !errors.Is(err, ignis.ErrNoCommands) {
			t.Errorf("Revoke = %v", err)
		}
		p.only(closed(4006)...)
	})
}
