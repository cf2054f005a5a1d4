package ignis_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// The log lines about a client and a server, one cause at a time.
func TestLinesOfClientAndServer(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  ignis.Config
		do   func(n *node)
		want string // words of one line, in order
	}{
		"connected":     {do: func(n *node) { n.connect() }, want: "DEBUG client connected client= remote="},
		"authenticated": {do: func(n *node) { n.login("ann") }, want: "DEBUG client authenticated client= user=ann"},
		"disconnected": {
			do:   func(n *node) { _ = n.login("ann").conn.Close() },
			want: "DEBUG client disconnected client= lost code=1006",
		},
		"server event": {
			do:   func(n *node) { n.login("ann").text(`{"event":"connected"}`) },
			want: "DEBUG message dropped: only servers send this event client= event=connected",
		},
		"join": {
			cfg:  ignis.Config{ValidateRooms: allRooms},
			do:   func(n *node) { n.login("ann").join(names("a", "b")) },
			want: "DEBUG client joined rooms client= rooms=2",
		},
		"malformed leave": {
			do:   func(n *node) { n.login("ann").text(`{"event":"leave","data":5}`) },
			want: "DEBUG message dropped: malformed leave client=",
		},
		"stranger": {
			cfg:  ignis.Config{AuthMaxMistakes: 1},
			do:   func(n *node) { p := n.connect(); p.text("x"); p.text("x") },
			want: "INFO client closed: it sent too much before authentication client= remote=",
		},
		"handshake": {
			cfg: ignis.Config{Encryption: ignis.EncryptionOptional},
			do: func(n *node) {
				n.connect().text(`{"event":"authenticate","data":{"user":"ann","publicKey":"x"}}`)
			},
			want: "INFO encryption handshake refused client= error=",
		},
		"behind": {
			cfg: ignis.Config{OnMessage: func(ctx context.Context, _ *ignis.Client, _ wire.Message) (any, error) {
				return nil, hang(ctx)
			}},
			do:   func(n *node) { stuffed(n); time.Sleep(2 * time.Minute) },
			want: "WARN client closed: its messages were not handled in time client= user= remote=",
		},
		"stuck": {
			do: func(n *node) {
				p := n.raw()
				p.text(authenticate2)
				time.Sleep(2 * time.Minute)
			},
			want: "WARN client cut off: it does not read what is waiting for it client= user=ann remote= bytes= connected_for=",
		},
		"full": {
			cfg: ignis.Config{BackpressureLimit: 1000},
			do: func(n *node) {
				p := n.raw()
				p.text(authenticate2)
				synctest.Wait()
				for range 20 {
					_ = n.SendLocal(ignis.ToEveryone(), "x", strings.Repeat("x", 1000))
				}
			},
			want: "WARN client reads too slowly client= user=ann remote= bytes=3 connected_for=0s cut_off=true",
		},
		"full, and dropped": {
			cfg: ignis.Config{BackpressureLimit: 1000, SlowPolicy: ignis.SlowDropNewest},
			do: func(n *node) {
				p := n.raw()
				p.text(authenticate2)
				synctest.Wait()
				for range 20 {
					_ = n.SendLocal(ignis.ToEveryone(), "x", strings.Repeat("x", 1000))
				}
			},
			want: "WARN client reads too slowly client= user=ann remote= bytes= connected_for=0s cut_off=false",
		},
		"start": {do: func(*node) {}, want: "INFO server is ready server="},
		"shutdown": {
			do:   func(n *node) { n.login("ann"); n.stop(); n.ran <- <-n.ran },
			want: "INFO server is shutting down clients=1",
		},
		"after the shutdown": {do: func(n *node) { n.stop(); n.ran <- <-n.ran }, want: "INFO server has shut down"},
		"bus": {
			cfg:  ignis.Config{Bus: sulking{}},
			do:   func(n *node) { n.stop(); n.ran <- <-n.ran },
			want: "WARN bus stopped with an error error=sulking",
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				n := startMem(t, tt.cfg)
				tt.do(n)
				synctest.Wait()
				if !hasLine(n.log.String(), strings.Fields(tt.want)) {
					t.Errorf("no line %q in:\n%s", tt.want, n.log)
				}
			})
		})
	}
}

// hasLine reports whether a line of the log contains all words in order.
func hasLine(log string, words []string) bool {
next:
	for line := range strings.Lines(log) {
		for _, word := range words {
			_, rest, ok := strings.Cut(line, word)
			if !ok {
				continue next
			}
			line = rest
		}
		return true
	}
	return false
}

// sulking is a bus that returns an error when its context ends.
type sulking struct{}

func (sulking) Publish(string, []byte) error { return nil }

func (sulking) Run(ctx context.Context, ready func(), _ func(...[]byte)) error {
	ready()
	<-ctx.Done()
	return errors.New("sulking")
}
