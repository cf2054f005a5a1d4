package ignis_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// required returns the mode for a test that may need encryption.
func required(yes bool) ignis.Encryption {
	if yes {
		return ignis.EncryptionRequired
	}
	return ignis.EncryptionOff
}

// keys configures a server with a trivial cipher: a sealed message says that it is
// sealed, and opens to its data.
func keys(seal func(n int, text []byte) ([]byte, error)) ignis.Config {
	return ignis.Config{
		Encryption: ignis.EncryptionRequired,
		AgreeKeys: func(_ context.Context, c *ignis.Client, cred ignis.Credentials) (*ignis.Cipher, error) {
			if c.ID != cred.ClientID || c.Encrypted {
				return nil, errors.New("not who it says")
			}
			sealed := 0
			return &ignis.Cipher{
				ServerPublicKey: "key", Salt: "salt",
				Seal: func(text []byte) ([]byte, error) {
					sealed++
					return seal(sealed, text)
				},
				Open: func(data json.RawMessage) ([]byte, error) {
					var text string
					if err := json.Unmarshal(data, &text); err != nil {
						panic(err)
					}
					if text == "forged" {
						return nil, errors.New("not from the client")
					}
					return []byte(text), nil
				},
			}, nil
		},
	}
}

func plain(_ int, text []byte) ([]byte, error) { return fmt.Appendf(nil, "sealed %s", text), nil }

// secretly returns an encrypted event around a message.
func secretly(text string) string {
	data, _ := json.Marshal(text)
	return `{"event":"encrypted","data":` + string(data) + `}`
}

func TestEverythingAfterConnectedIsSealed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := keys(func(n int, text []byte) ([]byte, error) {
			if n%7 == 0 {
				time.Sleep(time.Millisecond) // must not change the order
			}
			return plain(n, text)
		})
		cfg.OnConnect = func(_ context.Context, c *ignis.Client) {
			if !c.Encrypted {
				t.Errorf("in the callback: %+v", c)
			}
		}
		n := startMem(t, cfg)
		p := n.connect()
		p.text("x") // unencrypted, before authentication
		p.expect(failure(wire.ErrorFormat))
		p.authenticate("ann") // the connected event is unencrypted
		var want []string
		for i := range 200 {
			switch i % 4 {
			case 0:
				_ = n.SendLocal(ignis.ToClient(p.id), "n", i)
			case 1:
				_ = n.SendLocal(ignis.ToEveryone(), "n", i)
			case 2:
				_ = n.SendLocal(ignis.ToRoom(wire.RoomDefault), "n", i)
			case 3:
				_ = n.SendLocal(ignis.ToUser("ann"), "n", i)
			}
			want = append(want, fmt.Sprintf(`sealed {"event":"n","data":%d}`, i))
		}
		time.Sleep(time.Second)
		p.only(want...)
		p.text("x")
		p.only("sealed " + failure(wire.ErrorFormat))
		if err := n.Disconnect(p.id, 4000, "enough"); err != nil {
			t.Error(err)
		}
		p.only("<close 4000 enough>", "<end>") // control frames are not sealed
	})
}

// Messages queued before a client had keys are sent unencrypted, regardless of when they
// are written.
func TestErrorsFromBeforeAreNotSealed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, keys(plain))
		p := n.raw() // and does not read
		for range 3 {
			p.text("x")
			synctest.Wait() // the first is on its way, the others wait
		}
		p.text(authenticate)
		synctest.Wait()
		p.text("x")
		synctest.Wait()
		p.pump()
		before := failure(wire.ErrorFormat)
		p.expect(before, before, before)
		if got := p.next(); !strings.HasPrefix(got, `{"event":"connected"`) {
			t.Errorf("received %s", got)
		}
		p.only("sealed " + before)
	})
}

func TestSealFailureDropsTheMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, keys(func(n int, text []byte) ([]byte, error) {
			switch n {
			case 1:
				return nil, errors.New("no entropy")
			case 3:
				panic("no luck")
			}
			return plain(n, text)
		}))
		p, other := n.login("ann"), n.login("bob")
		for i := range 4 {
			if err := n.SendLocal(ignis.ToEveryone(), secret, i); err != nil {
				t.Error(err)
			}
		}
		want := []string{`sealed {"event":"` + secret + `","data":1}`, `sealed {"event":"` + secret + `","data":3}`}
		p.only(want...)
		other.only(want...)
		if s := n.Stats(); s.Dropped["seal failed"] != 4 || s.Clients != 2 {
			t.Errorf("counted %+v", s)
		}
		if !n.log.Has("no entropy") {
			t.Error("not in the log")
		}
	})
}

func TestEncryptedInput(t *testing.T) {
	rows := map[string]struct {
		text    string
		answer  string
		handler string
	}{
		"a message":             {secretly(`{"event":"x","data":12345678901234567890123,"id":"7"}`), "", "x|12345678901234567890123|7"},
		"forged":                {secretly("forged"), wire.ErrorEncryptedMessage, ""},
		"Open panics":           {`{"event":"encrypted","data":5}`, wire.ErrorEncryptedMessage, ""},
		"no data":               {`{"event":"encrypted"}`, wire.ErrorEncryptedMessage, ""},
		"not JSON inside":       {secretly(`hello`), wire.ErrorEncryptedMessage, ""},
		"no event inside":       {secretly(`{"data":1}`), wire.ErrorEncryptedMessage, ""},
		"encrypted inside":      {secretly(secretly(`{"event":"x"}`)), wire.ErrorEncryptedMessage, ""},
		"authenticate inside":   {secretly(authenticate), wire.ErrorEncryptedMessage, ""},
		"heartbeat inside":      {secretly(`{"event":"heartbeat"}`), "", ""},
		"connected inside":      {secretly(`{"event":"connected"}`), "", ""},
		"unencrypted message":   {`{"event":"x","data":1}`, wire.ErrorEncryptionRequired, ""},
		"unencrypted heartbeat": {`{"event":"heartbeat"}`, "", ""},
		"unencrypted connected": {`{"event":"connected"}`, "", ""},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := &heard{}
				cfg := keys(plain)
				cfg.OnMessage = h.message
				logins := 0
				cfg.Authenticate = func(ctx context.Context, c ignis.Credentials) (ignis.Identity, error) {
					logins++
					return anyone(ctx, c)
				}
				n := startMem(t, cfg)
				p := n.login("ann")
				p.text(row.text)
				want := []string{}
				if row.answer != "" {
					want = append(want, "sealed "+failure(row.answer))
				}
				p.only(want...)
				var handler []string
				if row.handler != "" {
					handler = []string{row.handler}
				}
				if got := h.take(); !slices.Equal(got, handler) {
					t.Errorf("handler got %q, want %q", got, handler)
				}
				if got := n.Stats().BadEncrypted; got != uint64(len(want)) {
					t.Errorf("%d counted as bad", got)
				}
				if logins != 1 {
					t.Errorf("%d clients to authenticate", logins)
				}
				for name, why := range map[string]string{"forged": `error="not from the client"`, "Open panics": `error="panic: json: `} {
					if n.log.Has(`msg="encrypted message refused"`) != (row.answer == wire.ErrorEncryptedMessage) || n.log.Has(why) != (row == rows[name]) {
						t.Errorf("the log:\n%s", n.log)
					}
				}
			})
		})
	}
}

func TestJoinEncrypted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := keys(plain)
		cfg.ValidateRooms = allRooms
		n := startMem(t, cfg)
		p := n.login("ann")
		p.text(secretly(`{"event":"join","data":{"rooms":["a"]}}`))
		p.text(`{"event":"join","data":{"rooms":["b"]}}`)
		p.only()
		if len(n.ClientsInRoom("a")) != 1 || len(n.ClientsInRoom("b")) != 1 {
			t.Error("not joined")
		}
	})
}

// A Seal that hangs delays only its own client.
func TestSlowSealDelaysOnlyItsClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		first := true
		hold := make(chan struct{})
		cfg := keys(plain)
		handshake := cfg.AgreeKeys
		cfg.AgreeKeys = func(ctx context.Context, c *ignis.Client, cred ignis.Credentials) (*ignis.Cipher, error) {
			s, err := handshake(ctx, c, cred)
			if first {
				first = false
				s.Seal = func(text []byte) ([]byte, error) { <-hold; return plain(0, text) }
			}
			return s, err
		}
		n := startMem(t, cfg)
		slow, other := n.login("ann"), n.login("bob")
		for range 3 {
			_ = n.SendLocal(ignis.ToEveryone(), "x", 1)
		}
		synctest.Wait()
		line := `sealed {"event":"x","data":1}`
		other.only(line, line, line)
		slow.only()
		close(hold)
		slow.only(line, line, line)
	})
}
