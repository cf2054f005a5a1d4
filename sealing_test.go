package ignis_test

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/seal"
	"github.com/ignis-go/ignis/wire"
)

// A Seal that works in place does not change the messages of other clients.
func TestSealInPlace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := keys(func(_ int, text []byte) ([]byte, error) {
			for i := range text {
				text[i] ^= 1
			}
			return text, nil
		})
		h := cfg.AgreeKeys
		cfg.Encryption = ignis.EncryptionOptional
		cfg.AgreeKeys = func(ctx context.Context, c *ignis.Client, cred ignis.Credentials) (*ignis.Cipher, error) {
			if c.UserID == "clear" {
				return nil, nil //nolint:nilnil // not encrypted
			}
			return h(ctx, c, cred)
		}
		n := startMem(t, cfg)
		peers := []*peer{n.login("a"), n.login("b"), n.login("clear")}
		_ = n.SendLocal(ignis.ToEveryone(), "x", 1)
		synctest.Wait()
		flipped := []byte(line)
		for i := range flipped {
			flipped[i] ^= 1
		}
		for i, want := range []string{string(flipped), string(flipped), line} {
			if got := peers[i].got(); !slices.Equal(got, []string{want}) {
				t.Errorf("client %d got %q, want %q", i, got, want)
			}
		}
	})
}

// If sealing is slow, each message is sent as soon as it is sealed.
func TestSlowSealSendsEachMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{
			Encryption: ignis.EncryptionRequired, HeartbeatTimeout: time.Hour, IdleTimeout: -1,
			BeforeSeal: func(context.Context, *ignis.Client, wire.Message) (*wire.Message, error) {
				time.Sleep(100 * time.Millisecond)
				return nil, nil //nolint:nilnil // unchanged
			},
		})
		v := n.vault("ann")
		for range 50 {
			_ = n.SendLocal(ignis.ToClient(v.id), "x", 1)
		}
		time.Sleep(1050 * time.Millisecond)
		if got := len(v.got()); got != 10 {
			t.Errorf("%d messages after 10 were transformed", got)
		}
		// A shutdown waits for the current message, not for the rest.
		began := time.Now()
		n.stop()
		if err := <-n.ran; err != nil || time.Since(began) > 15*time.Second {
			t.Errorf("shutdown: %v after %v", err, time.Since(began))
		}
		n.ran <- nil
	})
}

// No message is sealed for a client that was cut off, including joined messages.
func TestNothingIsSealedAfterCutOff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var calls atomic.Int64
		cfg := keys(func(_ int, text []byte) ([]byte, error) {
			calls.Add(1)
			time.Sleep(5 * time.Second)
			return text, nil
		})
		cfg.SealTimeout, cfg.SealConcurrency = time.Second, 1
		cfg.HeartbeatTimeout, cfg.IdleTimeout = 100*time.Hour, -1
		n := startMem(t, cfg)
		p := n.login("ann")
		for range 200 {
			_ = n.SendLocal(ignis.ToClient(p.id), "x", 1)
		}
		time.Sleep(time.Hour)
		if s := n.Stats(); s.Disconnects["sealing timeout"] != 1 {
			t.Errorf("counted %v", s.Disconnects)
		}
		if calls.Load() != 1 {
			t.Errorf("%d messages were sealed", calls.Load())
		}
	})
}

// A BeforeSeal that hangs releases its slot after SealTimeout, even if it does not
// return.
func TestHangingBeforeSealReleasesItsSlot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		n := startMem(t, ignis.Config{
			Encryption: ignis.EncryptionRequired, SealConcurrency: 1, SealTimeout: 5 * time.Second,
			HeartbeatTimeout: time.Hour, IdleTimeout: time.Hour,
			BeforeSeal: func(_ context.Context, c *ignis.Client, _ wire.Message) (*wire.Message, error) {
				if c.UserID == "hangs" {
					<-release
				}
				return nil, nil //nolint:nilnil // unchanged
			},
		})
		bad, good := n.vault("hangs"), n.vault("ann")
		_ = n.SendLocal(ignis.ToClient(bad.id), "x", 1)
		synctest.Wait()
		_ = n.SendLocal(ignis.ToClient(good.id), "x", 1)
		good.only()
		time.Sleep(5 * time.Second)
		good.only(line)
		if !n.log.Has(`level=ERROR msg="client cut off: BeforeSeal or Seal took too long"`) || !n.log.Has("client="+bad.id) {
			t.Errorf("log: %s", n.log)
		}
		close(release)
		synctest.Wait() // its slot is released only once
		_ = n.SendLocal(ignis.ToClient(good.id), "x", 1)
		good.only(line)
	})
}

// If BeforeSeal fails, nothing is sent, regardless of how the messages are sealed.
func TestBeforeSealFails(t *testing.T) {
	key, err := seal.NewKey(make([]byte, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		session ignis.Cipher
		want    string
	}{
		"Seal":       {ignis.Cipher{Seal: func(text []byte) ([]byte, error) { return plain(0, text) }}, "sealed "},
		"Key":        {ignis.Cipher{Key: key}, `{"event":"encrypted",`},
		"BeforeSeal": {ignis.Cipher{}, `{"event":"good"`},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				n := startMem(t, ignis.Config{
					Encryption: ignis.EncryptionOptional,
					AgreeKeys: func(context.Context, *ignis.Client, ignis.Credentials) (*ignis.Cipher, error) {
						return &row.session, nil
					},
					BeforeSeal: func(_ context.Context, _ *ignis.Client, m wire.Message) (*wire.Message, error) {
						switch m.Event {
						case "fails":
							return &m, errors.New("no such thing")
						case "without event":
							return &wire.Message{Data: m.Data}, nil
						case "without JSON":
							return &wire.Message{Event: "x", Data: json.RawMessage("{")}, nil
						}
						return nil, nil //nolint:nilnil // unchanged
					},
				})
				p := n.login("ann")
				for _, event := range []string{"fails", "without event", "without JSON", "good"} {
					_ = n.SendLocal(ignis.ToClient(p.id), event, 1)
				}
				if got := p.got(); len(got) != 1 || !strings.HasPrefix(got[0], row.want) {
					t.Errorf("received %q", got)
				}
				if s := n.Stats(); s.Dropped["seal failed"] != 3 {
					t.Errorf("counted %v", s.Dropped)
				}
				for _, line := range []string{"level=ERROR msg=\"message to an encrypted client dropped: sealing failed\"", "error=\"no such thing\""} {
					if !n.log.Has(line) {
						t.Errorf("no %s in the log:\n%s", line, n.log)
					}
				}
			})
		})
	}
}

func TestCiphersThatCannotSeal(t *testing.T) {
	n := startMem(t, ignis.Config{Encryption: ignis.EncryptionOptional})
	p := n.login("ann")
	for name, s := range map[string]*ignis.Cipher{"none": nil, "empty": {}, "a zero key": {Key: &seal.Key{}}} {
		if n.Encrypt(p.id, s) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := new(seal.Key).Open(nil, []byte(`{"iv":"","ct":""}`), nil); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("a zero key opens: %v", err)
	}
}

// Keys are released with their connection, even if the application keeps references.
func TestKeysAreDropped(t *testing.T) {
	var kept context.Context
	var key weak.Pointer[seal.Key]
	gone := make(chan struct{})
	n := start(t, ignis.Config{
		Encryption: ignis.EncryptionRequired,
		AgreeKeys: func(_ context.Context, _ *ignis.Client, cred ignis.Credentials) (*ignis.Cipher, error) {
			a, err := seal.Accept(cred.PublicKey, "")
			if err != nil {
				return nil, err
			}
			key = weak.Make(a.Key)
			return &ignis.Cipher{Key: a.Key, ServerPublicKey: a.PublicKey, Salt: a.Salt}, nil
		},
		OnConnect:    func(ctx context.Context, _ *ignis.Client) { kept = ctx },
		OnDisconnect: func(context.Context, *ignis.Client, ignis.Disconnect) { close(gone) },
	})
	v := n.vault("ann")
	_ = v.conn.Close()
	<-gone
	for deadline := time.Now().Add(30 * time.Second); key.Value() != nil; runtime.GC() {
		if time.Now().After(deadline) {
			t.Fatal("the key is still there")
		}
		runtime.Gosched()
	}
	runtime.KeepAlive(kept)
}

// While a client is being switched to encryption, an encrypted event is opened on the
// goroutine of its callbacks or refused. It is never opened on the goroutine that reads.
func TestReaderNeverCallsOpen(t *testing.T) {
	var wrong atomic.Int64
	n := start(t, ignis.Config{Encryption: ignis.EncryptionOptional})
	for range 200 {
		p := n.login("ann")
		for range 20 {
			p.text(`{"event":"encrypted","data":{}}`)
		}
		err := n.Encrypt(p.id, &ignis.Cipher{
			Seal: func(text []byte) ([]byte, error) { return text, nil },
			Open: func(json.RawMessage) ([]byte, error) {
				stack := make([]byte, 4<<10)
				if strings.Contains(string(stack[:runtime.Stack(stack, false)]), "readSome") {
					wrong.Add(1)
				}
				return nil, errors.New("no")
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		_ = p.conn.Close()
	}
	if wrong.Load() > 0 {
		t.Errorf("the reader called Open %d times", wrong.Load())
	}
}

// A panic of Seal is logged once.
func TestSealPanicIsLoggedOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, keys(func(int, []byte) ([]byte, error) { panic("no luck") }))
		p := n.login("ann")
		_ = n.SendLocal(ignis.ToClient(p.id), "x", 1)
		p.only()
		s := n.Stats()
		if n.log.Count("no luck") != 1 || s.CallbackPanics != 1 || s.CallbackErrors != 1 || s.Dropped["seal failed"] != 1 {
			t.Errorf("counted %+v; log: %s", s, n.log)
		}
	})
}

// An encrypted client would need its own copy of a message over the limit, so the message
// is dropped for it, counted and logged, while others receive it.
func TestTooLargeToSeal(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := keys(plain)
		cfg.Encryption, cfg.BackpressureLimit = ignis.EncryptionOptional, 10_000
		handshake := cfg.AgreeKeys
		cfg.AgreeKeys = func(ctx context.Context, c *ignis.Client, cred ignis.Credentials) (*ignis.Cipher, error) {
			if c.UserID == "clear" {
				return nil, nil //nolint:nilnil // not encrypted
			}
			return handshake(ctx, c, cred)
		}
		n := startMem(t, cfg)
		sealed, clear := n.login("sealed"), n.login("clear")
		synctest.Wait() // no backlog
		data := strings.Repeat("a", 20_000)
		_ = n.SendLocal(ignis.ToEveryone(), "x", data)
		clear.only(`{"event":"x","data":"` + data + `"}`)
		_ = n.SendLocal(ignis.ToEveryone(), "x", 1)
		clear.only(line)
		sealed.only("sealed " + line)
		s := n.Stats()
		if s.Dropped["too large to seal"] != 1 || s.Dropped["backpressure"] != 0 || s.Sent != 5 {
			t.Errorf("counted %+v", s)
		}
		if n.log.Count(`msg="message dropped: it exceeds BackpressureLimit and the client is encrypted"`) != 1 || !n.log.Has("client="+sealed.id) || n.log.Has("too slowly") {
			t.Errorf("the log:\n%s", n.log)
		}
	})
}

// If BeforeSeal calls runtime.Goexit, its client is cut off, because its writer has ended.
func TestBeforeSealEndsItsGoroutine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{
			Encryption: ignis.EncryptionRequired, SealConcurrency: 1,
			BeforeSeal: func(_ context.Context, c *ignis.Client, _ wire.Message) (*wire.Message, error) {
				if c.UserID == "ann" {
					runtime.Goexit()
				}
				return nil, nil //nolint:nilnil // unchanged
			},
		})
		ann, bob := n.vault("ann"), n.vault("bob")
		_ = n.SendLocal(ignis.ToEveryone(), "x", 1)
		ann.only("<end>")
		bob.only(line)
		if s := n.Stats(); s.CallbackErrors != 1 || s.Disconnects["aborted"] != 1 {
			t.Errorf("counted %+v", s)
		}
	})
}
