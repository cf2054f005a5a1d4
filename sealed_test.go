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
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/seal"
	"github.com/ignis-go/ignis/wire"
)

// vault is a peer with a key. It opens sealed messages and marks unencrypted ones.
type vault struct {
	*peer
	key *seal.Key
	aad []byte
}

// offering is an authenticate event with a public key.
func offering(user, key string) string {
	return fmt.Sprintf(`{"event":"authenticate","data":{"user":%q,"token":%q,"publicKey":%q}}`, user, secret, key)
}

// vault connects and agrees on a key.
func (n *node) vault(user string) *vault {
	n.t.Helper()
	own, err := seal.NewPrivateKey()
	if err != nil {
		n.t.Fatal(err)
	}
	p := n.connect()
	p.text(offering(user, seal.PublicKey(own)))
	line := p.next()
	m, err := wire.DecodeMessage([]byte(line))
	var data struct{ ID, ServerPublicKey, Salt string }
	if err != nil || m.Event != wire.EventConnected || json.Unmarshal(m.Data, &data) != nil {
		n.t.Fatalf("got %s, want a connected event", line)
	}
	p.id = data.ID
	v := &vault{peer: p}
	if v.key, err = seal.Complete(own, data.ServerPublicKey, data.Salt, ""); err != nil {
		n.t.Fatal(err)
	}
	return v
}

func (v *vault) open(line string) string {
	m, err := wire.DecodeMessage([]byte(line))
	if err != nil || m.Event != wire.EventEncrypted {
		return "UNENCRYPTED " + line
	}
	text, err := v.key.Open(nil, m.Data, v.aad)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// only checks that exactly these messages have been received.
func (v *vault) only(want ...string) {
	v.t.Helper()
	got := v.got()
	for i, line := range got {
		if !strings.HasPrefix(line, "<") {
			got[i] = v.open(line)
		}
	}
	if !slices.Equal(got, want) {
		v.t.Errorf("received %q\n    want %q", got, want)
	}
}

// seal sends a message.
func (v *vault) seal(text string) { v.text(string(v.key.AppendFrame(nil, []byte(text), v.aad))) }

// The mode determines which clients are accepted and which are encrypted.
func TestEncryptionModes(t *testing.T) {
	own, _ := seal.NewPrivateKey()
	good := seal.PublicKey(own)
	const connected, encrypted = "connected", "encrypted"
	const noKey, badKey = "no key", "bad key"
	for _, row := range []struct {
		mode ignis.Encryption
		key  string
		want string
	}{
		{ignis.EncryptionOff, "", connected},
		{ignis.EncryptionOff, good, connected},
		{ignis.EncryptionOff, "no key!", connected},
		{ignis.EncryptionOptional, "", connected},
		{ignis.EncryptionOptional, good, encrypted},
		{ignis.EncryptionOptional, "no key!", badKey},
		{ignis.EncryptionOptional, good[:40], badKey},
		{ignis.EncryptionRequired, "", noKey},
		{ignis.EncryptionRequired, good, encrypted},
		{ignis.EncryptionRequired, "no key!", badKey},
		{ignis.EncryptionRequired, strings.Repeat("A", 88), badKey},
	} {
		t.Run(fmt.Sprintf("%v, key of %d", row.mode, len(row.key)), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				n := startMem(t, ignis.Config{Encryption: row.mode, OnConnect: func(_ context.Context, c *ignis.Client) {
					if c.Encrypted != (row.want == encrypted) {
						t.Errorf("in the callback: %+v", c)
					}
				}})
				p := n.connect()
				p.text(offering("ann", row.key))
				lines := p.got()
				switch row.want {
				case noKey:
					if want := closed(4004); !slices.Equal(lines, want) {
						t.Errorf("received %q, want %q", lines, want)
					}
				case badKey:
					if want := append([]string{failure(wire.ErrorHandshake)}, closed(4004)...); !slices.Equal(lines, want) {
						t.Errorf("received %q, want %q", lines, want)
					}
					if !n.log.Has("handshake refused") || n.log.Has(row.key) {
						t.Errorf("log: %s", n.log)
					}
				default:
					if len(lines) != 1 || strings.Contains(lines[0], "serverPublicKey") != (row.want == encrypted) {
						t.Errorf("received %q", lines)
					}
					if c := n.Clients()[0]; c.Encrypted != (row.want == encrypted) {
						t.Errorf("listed as %+v", c)
					}
				}
				refused := uint64(0)
				if row.want == noKey || row.want == badKey {
					refused = 1
				}
				if s := n.Stats(); s.RefusedAuth != refused || s.CallbackErrors != 0 {
					t.Errorf("counted %+v", s)
				}
			})
		})
	}
}

// Sends in every way to an encrypted client and an unencrypted one in the same rooms.
func TestSealedDelivery(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newFakeBus()
		n := startMem(t, ignis.Config{Encryption: ignis.EncryptionOptional, Bus: b})
		v, other, p := n.vault("ann"), n.vault("bob"), n.login("ann")
		synctest.Wait()
		for _, id := range []string{v.id, other.id, p.id} {
			if err := n.Join(id, "lobby"); err != nil {
				t.Fatal(err)
			}
		}
		ctx := t.Context()
		line := func(i int) string { return fmt.Sprintf(`{"event":"n","data":%d}`, i) }
		_ = n.SendLocal(ignis.ToClient(v.id), "n", 1)
		_ = n.SendLocal(ignis.ToUser("ann"), "n", 2)
		_ = n.SendLocal(ignis.ToRoom("lobby"), "n", 3)
		_ = n.SendLocal(ignis.ToRoom("lobby"), "n", 4, ignis.Except(v.id))
		_ = n.SendLocal(ignis.ToEveryone(), "n", 5)
		_ = n.SendLocal(ignis.ToEveryone(), "n", 6, ignis.Except(other.id))
		_ = n.Send(ctx, ignis.ToRoom("lobby"), "n", 7)
		synctest.Wait()
		for i, more := range []string{`"type":"broadcast"`, `"type":"room","target":"lobby"`, `"type":"user","target":"ann"`, `"type":"client","target":"` + v.id + `"`} {
			b.in <- fmt.Appendf(nil, `{"serverId":"s","event":"n","data":%d,%s}`, 8+i, more)
		}
		v.only(line(1), line(2), line(3), line(5), line(6), line(7), line(8), line(9), line(10), line(11))
		other.only(line(3), line(4), line(5), line(7), line(8), line(9))
		p.only(line(2), line(3), line(4), line(5), line(6), line(7), line(8), line(9), line(10))
	})
}

func TestSealedInput(t *testing.T) {
	for _, mode := range []ignis.Encryption{ignis.EncryptionOptional, ignis.EncryptionRequired} {
		t.Run(mode.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := &heard{}
				n := startMem(t, ignis.Config{Encryption: mode, OnMessage: h.message, ValidateRooms: allRooms})
				v, other := n.vault("ann"), n.vault("bob")
				bad := failure(wire.ErrorEncryptedMessage)
				v.seal(`{"event":"x","data":12345678901234567890123,"id":"7"}`)
				v.seal(`{"event":"join","data":{"rooms":["a"]}}`)
				v.seal(`{"event":"heartbeat"}`)
				v.only()
				other.text(string(v.key.AppendFrame(nil, []byte(`{"event":"x"}`), nil))) // sealed with another client's key
				other.only(bad)
				for _, text := range []string{
					`{"event":"encrypted"}`, `{"event":"encrypted","data":null}`, `{"event":"encrypted","data":"x"}`,
					`{"event":"encrypted","data":{"iv":"","ct":""}}`,
					`{"event":"encrypted","data":{"iv":"AAAAAAAAAAAAAAAA","ct":"` + strings.Repeat("A", 4*20_000) + `"}}`,
				} {
					v.text(text)
					v.only(bad)
				}
				v.seal(`hello`)
				v.seal(`{"event":"encrypted","data":{}}`)
				v.seal(offering("ann", ""))
				v.only(bad, bad, bad)
				sealed := string(v.key.AppendFrame(nil, []byte(`{"event":"x","data":1}`), nil))
				v.text(strings.Replace(sealed, `"ct":"`, `"ct":"A`, 1))
				v.only(bad)
				v.text(`{"event":"x","data":"clear"}`)
				want := []string{`x|12345678901234567890123|7`}
				if mode == ignis.EncryptionRequired {
					v.only(failure(wire.ErrorEncryptionRequired))
				} else {
					v.only()
					want = append(want, `x|"clear"|`)
				}
				if got := h.take(); !slices.Equal(got, want) {
					t.Errorf("handler got %q, want %q", got, want)
				}
				if len(n.ClientsInRoom("a")) != 1 {
					t.Error("not joined")
				}
				// A message over the limit ends only its own connection.
				v.text(`{"event":"encrypted","data":{"iv":"AAAAAAAAAAAAAAAA","ct":"` + strings.Repeat("A", 140_000) + `"}}`)
				if got := v.got(); len(got) == 0 || !strings.HasPrefix(got[0], "<close 1009") {
					t.Errorf("received %q", got)
				}
				other.seal(`{"event":"x"}`)
				synctest.Wait()
				if got := h.take(); len(got) != 1 {
					t.Errorf("handler got %q from the other client", got)
				}
			})
		})
	}
}

// Many senders and many encrypted clients: each client opens all its messages, in the
// order of each sender, and nothing is unencrypted.
func TestManySealed(t *testing.T) {
	longtest.Mark(t)
	const clients, senders, each = 50, 10, 100
	onBothPaths(t, func(t *testing.T, plain bool) {
		n := start(t, ignis.Config{Encryption: ignis.EncryptionRequired, PlainIO: plain, BackpressureLimit: 64 << 20})
		var vaults []*vault
		for range clients {
			vaults = append(vaults, n.vault("ann"))
		}
		var all sync.WaitGroup
		for s := range senders {
			all.Go(func() {
				for i := range each {
					data := map[string]any{"from": s, "n": i, "text": secret}
					var err error
					switch s % 4 {
					case 0:
						err = n.SendLocal(ignis.ToEveryone(), "n", data)
					case 1:
						err = n.SendLocal(ignis.ToRoom(wire.RoomDefault), "n", data)
					case 2:
						err = n.SendLocal(ignis.ToUser("ann"), "n", data)
					case 3:
						for _, v := range vaults {
							err = errors.Join(err, n.SendLocal(ignis.ToClient(v.id), "n", data))
						}
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		for _, v := range vaults {
			all.Go(func() {
				var next [senders]int
				for range senders * each {
					raw := v.next()
					if strings.Contains(raw, secret) || strings.Contains(raw, `"n"`) {
						t.Errorf("received unencrypted: %s", raw)
						return
					}
					var m struct{ Data struct{ From, N int } }
					if err := json.Unmarshal([]byte(v.open(raw)), &m); err != nil {
						t.Errorf("%s: %v", raw, err)
						return
					}
					if m.Data.N != next[m.Data.From] {
						t.Errorf("sender %d: message %d, want %d", m.Data.From, m.Data.N, next[m.Data.From])
						return
					}
					next[m.Data.From]++
				}
			})
		}
		all.Wait()
	})
}

// A client is switched to encryption while messages are sent to it. Those queued before
// are not encrypted, and all later ones are.
func TestEncryptAtRunTime(t *testing.T) {
	longtest.Mark(t)
	onBothPaths(t, func(t *testing.T, plain bool) {
		h := &heard{}
		n := start(t, ignis.Config{PlainIO: plain, OnMessage: h.message, BackpressureLimit: 64 << 20})
		p, other := n.login("ann"), n.login("bob")
		key, _ := seal.NewKey(make([]byte, 32))
		v := &vault{peer: p, key: key, aad: []byte(p.id)}
		// A quarter is sent before the switch, a quarter after it, and half concurrently,
		// regardless of how this goroutine is scheduled.
		const total = 8_000
		going, switched, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			for i := range total {
				switch i {
				case total / 4:
					close(going)
				case total * 3 / 4:
					<-switched
				}
				_ = n.SendLocal(ignis.ToEveryone(), "n", i)
			}
		}()
		<-going
		session := &ignis.Cipher{Key: key, AdditionalData: []byte(p.id)}
		// Within one goroutine the boundary is exact.
		_ = n.SendLocal(ignis.ToClient(p.id), "switch", nil)
		err := n.Encrypt(p.id, session)
		_ = n.SendLocal(ignis.ToClient(p.id), "switched", nil)
		close(switched)
		if err != nil {
			t.Fatal(err)
		}
		state, last := "unencrypted", -1
		for seen := 0; seen < total; {
			line := p.next()
			m, err := wire.DecodeMessage([]byte(line))
			if err != nil {
				t.Fatal(err)
			}
			if m.Event == wire.EventEncrypted {
				if state == "unencrypted" {
					t.Fatal("sealed before the switch")
				}
				if m, err = wire.DecodeMessage([]byte(v.open(line))); err != nil {
					t.Fatal(err)
				}
				state = "sealed"
			} else if state == "sealed" {
				t.Fatalf("received unencrypted: %s", line)
			}
			switch m.Event {
			case "switch":
				state = "announced"
			case "switched":
				if state != "sealed" {
					t.Fatal("the message after the switch is unencrypted")
				}
			default:
				var i int
				if err := m.Decode(&i); err != nil || i != last+1 {
					t.Fatalf("%s after %d", line, last)
				}
				last = i
				seen++
			}
		}
		<-done
		for i := range total {
			other.expect(fmt.Sprintf(`{"event":"n","data":%d}`, i))
		}
		if c, ok := n.Client(p.id); !ok || !c.Encrypted {
			t.Errorf("listed as %+v", c)
		}
		for name, err := range map[string]error{
			"twice":   n.Encrypt(p.id, session),
			"nobody":  n.Encrypt("nobody", session),
			"nothing": n.Encrypt(other.id, &ignis.Cipher{}),
			"nil":     n.Encrypt(other.id, nil),
			"too early": func() error {
				early := n.connect()
				for _, c := range n.Clients() {
					if c.State == ignis.StateUnauthorized {
						return n.Encrypt(c.ID, session)
					}
				}
				_ = early
				return errors.New("not there yet")
			}(),
		} {
			if err == nil {
				t.Errorf("%s: no error", name)
			}
		}
		// The client may now send both kinds.
		v.seal(`{"event":"x","data":1}`)
		p.text(`{"event":"x","data":2}`)
		p.text(`{"event":"encrypted","data":{}}`)
		if got := v.open(p.next()); got != failure(wire.ErrorEncryptedMessage) {
			t.Errorf("received %s", got)
		}
		if got, want := h.await(n, 2), []string{"x|1|", "x|2|"}; !slices.Equal(got, want) {
			t.Errorf("handler got %q, want %q", got, want)
		}
	})
}

// await waits until this number of messages has been handled.
func (h *heard) await(n *node, messages int) (lines []string) {
	n.t.Helper()
	for end := time.Now().Add(n.patience); len(lines) < messages; runtime.Gosched() {
		if lines = append(lines, h.take()...); time.Now().After(end) {
			n.t.Fatalf("%d of %d messages", len(lines), messages)
		}
	}
	return lines
}

// BeforeSeal may replace a message. If its result is invalid, the message is dropped.
func TestBeforeSeal(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{
			Encryption: ignis.EncryptionOptional,
			BeforeSeal: func(_ context.Context, c *ignis.Client, m wire.Message) (*wire.Message, error) {
				if !c.Encrypted || c.UserID != "ann" {
					t.Errorf("called for %+v", c)
				}
				defer clear(m.Data) // the callback owns the message
				switch m.Event {
				case "other":
					return &wire.Message{Event: "another", Data: json.RawMessage(`{"was":` + string(m.Data) + `}`), ID: "9"}, nil
				case "fail":
					return nil, errors.New("no such thing")
				case "panic":
					panic("no luck")
				case "empty":
					return &wire.Message{}, nil
				case "bad":
					return &wire.Message{Event: "x", Data: json.RawMessage(`{`)}, nil
				case "slow":
					time.Sleep(time.Second)
				}
				return nil, nil //nolint:nilnil // unchanged
			},
		})
		v, p := n.vault("ann"), n.login("bob")
		var clear []string
		for i, event := range []string{"as it is", "slow", "other", "fail", "panic", "empty", "bad", "the end"} {
			_ = n.SendLocal(ignis.ToEveryone(), event, i)
			clear = append(clear, fmt.Sprintf(`{"event":%q,"data":%d}`, event, i))
		}
		p.only(clear...) // did not wait for the slow client
		time.Sleep(2 * time.Second)
		v.only(clear[0], clear[1], `{"event":"another","data":{"was":2},"id":"9"}`, clear[7])
		if s := n.Stats(); s.Dropped["seal failed"] != 4 || s.CallbackPanics != 1 {
			t.Errorf("counted %+v", s)
		}
		if n.log.Has("the end") || !n.log.Has("no such thing") {
			t.Errorf("log: %s", n.log)
		}
	})
}

// At most SealConcurrency callbacks run at a time. One that hangs keeps its slot until
// SealTimeout, and then its client is cut off.
func TestBeforeSealLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var running, most atomic.Int64
		release, blocked := make(chan struct{}), errors.New("interrupted")
		n := startMem(t, ignis.Config{
			Encryption: ignis.EncryptionRequired, SealConcurrency: 3, SealTimeout: 5 * time.Second,
			HeartbeatTimeout: time.Hour, IdleTimeout: time.Hour,
			BeforeSeal: func(ctx context.Context, c *ignis.Client, m wire.Message) (*wire.Message, error) {
				now := running.Add(1)
				defer running.Add(-1)
				most.Store(max(most.Load(), now))
				switch c.UserID {
				case "hangs":
					<-release // ignores the context
				case "waits":
					<-ctx.Done() // until its client is disconnected
					return nil, blocked
				}
				time.Sleep(time.Millisecond)
				return nil, nil //nolint:nilnil // unchanged
			},
		})
		var good []*vault
		for range 20 {
			good = append(good, n.vault("ann"))
		}
		_ = n.SendLocal(ignis.ToEveryone(), "x", 1)
		time.Sleep(time.Second)
		for _, v := range good {
			v.only(line)
		}
		if most.Load() != 3 {
			t.Errorf("%d at a time, want 3", most.Load())
		}
		// Callbacks that hang occupy all slots, so the others wait, but only until
		// SealTimeout.
		bad := []*vault{n.vault("hangs"), n.vault("waits"), n.vault("hangs")}
		for _, v := range bad {
			_ = n.SendLocal(ignis.ToClient(v.id), "x", 1)
		}
		synctest.Wait()
		_ = n.SendLocal(ignis.ToEveryone(), "x", 1)
		time.Sleep(4 * time.Second)
		good[0].only()
		time.Sleep(2 * time.Second)
		for _, v := range good {
			v.only(line)
		}
		for _, v := range bad {
			if got := v.got(); !slices.Equal(got, []string{"<end>"}) {
				t.Errorf("a client that hangs received %q", got)
			}
		}
		if s := n.Stats(); s.Disconnects["sealing timeout"] != 3 || s.Clients != 20 {
			t.Errorf("counted %+v", s)
		}
		close(release)
		_ = n.SendLocal(ignis.ToEveryone(), "x", 1)
		time.Sleep(time.Second)
		for _, v := range good {
			v.only(line)
		}
		if running.Load() != 0 {
			t.Errorf("%d still run", running.Load())
		}
	})
}

// An Open that hangs affects only its own client, although one goroutine reads from many
// clients.
func TestSlowOpenDelaysOnlyItsClient(t *testing.T) {
	h := &heard{}
	cfg := keys(plain)
	hang := make(chan struct{})
	handshake := cfg.AgreeKeys
	cfg.AgreeKeys = func(ctx context.Context, c *ignis.Client, cred ignis.Credentials) (*ignis.Cipher, error) {
		s, err := handshake(ctx, c, cred)
		if c.UserID == "slow" {
			open := s.Open
			s.Open = func(data json.RawMessage) ([]byte, error) { <-hang; return open(data) }
		}
		return s, err
	}
	cfg.OnMessage = h.message
	n := start(t, cfg)
	var slow, quick []*peer
	for range 8 { // more than there are reading goroutines
		slow = append(slow, n.login("slow"))
	}
	for range 8 {
		quick = append(quick, n.login("quick"))
	}
	for _, p := range slow {
		p.text(secretly(`{"event":"first","data":1}`))
		p.text(secretly(`{"event":"second","data":1}`))
	}
	for _, p := range quick {
		p.text(secretly(`{"event":"x","data":1}`))
		p.text(`{"event":"authenticate"}`) // is answered
		p.expect("sealed " + failure(wire.ErrorAuthenticated))
	}
	close(hang)
	h.await(n, 24)
}

func TestEncryptionNames(t *testing.T) {
	for _, e := range []ignis.Encryption{ignis.EncryptionOff, ignis.EncryptionOptional, ignis.EncryptionRequired} {
		text, err := e.MarshalText()
		var again ignis.Encryption
		if err != nil || again.UnmarshalText(text) != nil || again != e {
			t.Errorf("%v: %q, %v", e, text, err)
		}
	}
	for e, want := range map[ignis.Encryption]string{0: "off", 1: "optional", 2: "required", 3: "Encryption(3)", 255: "Encryption(255)"} {
		if e.String() != want {
			t.Errorf("%s, want %s", e, want)
		}
	}
	e := ignis.EncryptionRequired
	if err := e.UnmarshalText([]byte("of")); err == nil || e != ignis.EncryptionRequired {
		t.Errorf("%v, %v", e, err)
	}
	if _, err := ignis.New(ignis.Config{Authenticate: anyone, Encryption: 3}); err == nil {
		t.Error("an unknown encryption is accepted")
	}
}
