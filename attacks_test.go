package ignis_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/longtest"
)

// attacker is the address that all attacks in this file come from.
const attacker = "203.0.113.66:1"

// abuse is something that many connections from one address do.
type abuse struct {
	config func(*ignis.Config)
	// run makes one attempt. It may fail.
	run func(n *node, i int)
	// attempts is how often run is called, by several goroutines.
	attempts int
	counted  func(ignis.Stats) uint64
	logged   string // the cause
}

// Floods from one address over real sockets end in refusals, which are counted and are logged
// at a bounded rate with their cause. A client with another address connects, joins and gets
// an answer to each of its messages meanwhile.
func TestAttacks(t *testing.T) {
	longtest.Mark(t)
	for name, a := range map[string]abuse{
		"connections that stay open": {
			config: func(c *ignis.Config) { c.MaxClientsPerAddress = 20 }, attempts: 200,
			run:     func(n *node, _ int) { n.attempt(attacker) },
			counted: func(s ignis.Stats) uint64 { return s.RefusedAddress },
			logged:  "too many connections from one address",
		},
		"connections in a row": {
			config: func(c *ignis.Config) { c.UpgradeRatePerAddress, c.UpgradeBurstPerAddress = 1, 20 }, attempts: 200,
			run: func(n *node, _ int) {
				if _, _, p := n.attempt(attacker); p != nil {
					_ = p.conn.Close()
				}
			},
			counted: func(s ignis.Stats) uint64 { return s.RefusedAddressRate },
			logged:  "too many new connections from one address",
		},
		"requests that are not handshakes": {
			attempts: 200,
			run: func(n *node, _ int) {
				conn, err := n.dial(n.t.Context(), "", "")
				if err != nil {
					return
				}
				_, _ = conn.Write([]byte("GET /ws HTTP/1.1\r\nHost: server\r\nUpgrade: websocket\r\n\r\n"))
				_, _ = conn.Read(make([]byte, 100))
				_ = conn.Close()
			},
			counted: func(s ignis.Stats) uint64 { return s.RefusedUpgrade },
			logged:  "connection refused: handshake",
		},
		"frames that are invalid": {
			attempts: 50,
			run: func(n *node, _ int) {
				if _, _, p := n.attempt(attacker); p != nil {
					_, _ = p.conn.Write([]byte(strings.Repeat("\xff", 100)))
					p.untilEnd()
				}
			},
			counted: func(s ignis.Stats) uint64 { return s.Disconnects[ignis.CauseViolation] },
			logged:  "client closed: protocol violation",
		},
		"guessed tokens": {
			config: func(c *ignis.Config) { c.AuthFailureBurst = 10 }, attempts: 200,
			run: func(n *node, _ int) {
				if _, _, p := n.attempt(attacker); p != nil {
					p.sendCredentials("admin", "bad")
					p.untilEnd()
				}
			},
			counted: func(s ignis.Stats) uint64 { return s.RefusedFailing },
			logged:  "too many failed authentications from one address",
		},
		"tokens that are too long": {
			attempts: 50,
			run: func(n *node, _ int) {
				if _, _, p := n.attempt(attacker); p != nil {
					p.sendCredentials("admin", strings.Repeat("x", 8000))
					p.untilEnd()
				}
			},
			config:  func(c *ignis.Config) { c.MaxToken = 1000 },
			counted: func(s ignis.Stats) uint64 { return s.RefusedAuth },
			logged:  "Config.MaxToken",
		},
		"sessions of one user": {
			config: func(c *ignis.Config) { c.MaxClientsPerUser = 10 }, attempts: 100,
			run: func(n *node, i int) {
				if _, _, p := n.attempt(fmt.Sprintf("203.0.113.%d:1", i%250)); p != nil {
					p.sendCredentials("mallory", "good")
				}
			},
			counted: func(s ignis.Stats) uint64 { return s.RefusedUser },
			logged:  "Config.MaxClientsPerUser",
		},
		"joins": {
			config: func(c *ignis.Config) { c.MaxRooms, c.JoinBurst = 10, 10 }, attempts: 10,
			run: func(n *node, i int) {
				p := n.loginFrom(attacker, fmt.Sprint("mallory", i))
				for j := range 200 {
					p.text(fmt.Sprintf(`{"event":"join","data":{"rooms":["%d"]}}`, j))
					p.text(fmt.Sprintf(`{"event":"leave","data":{"rooms":["%d"]}}`, j))
				}
			},
			counted: func(s ignis.Stats) uint64 { return s.RefusedJoins["too many joins"] },
			logged:  "too many joins",
		},
		"messages": {
			config: func(c *ignis.Config) {
				c.MessageRate, c.MessageBurst, c.ThrottleTimeout = 100, 100, 100*time.Millisecond
			},
			attempts: 10,
			run:      flood(encode(ws.NewTextFrame([]byte(`{"event":"x"}`)))),
			counted:  func(s ignis.Stats) uint64 { return s.Disconnects[ignis.CauseRate] },
			logged:   "longer than ThrottleTimeout",
		},
		"pings": {
			config: func(c *ignis.Config) {
				c.MessageRate, c.MessageBurst, c.ThrottleTimeout = 100, 100, 100*time.Millisecond
			},
			attempts: 10,
			run:      flood(encode(ws.NewPingFrame(nil))),
			counted:  func(s ignis.Stats) uint64 { return s.Disconnects[ignis.CauseRate] },
			logged:   "longer than ThrottleTimeout",
		},
		"large messages": {
			config: func(c *ignis.Config) {
				c.ByteRate, c.ByteBurst, c.ThrottleTimeout = 100<<10, 1<<20, 100*time.Millisecond
			},
			attempts: 10,
			run:      flood(encode(ws.NewTextFrame([]byte(`{"event":"x","data":"` + strings.Repeat("x", 100<<10) + `"}`)))),
			counted:  func(s ignis.Stats) uint64 { return s.Disconnects[ignis.CauseRate] },
			logged:   "longer than ThrottleTimeout",
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := ignis.Config{Accept: from, ValidateRooms: allRooms}
			if a.config != nil {
				a.config(&cfg)
			}
			n := start(t, cfg)
			var floods sync.WaitGroup
			for worker := range 4 {
				floods.Go(func() {
					for i := worker; i < a.attempts; i += 4 {
						a.run(n, i)
					}
				})
			}
			n.behavesWell()
			floods.Wait()
			n.until("the attack is refused", func() bool { return a.counted(n.Stats()) > 0 })
			n.behavesWell()
			if lines := n.log.Count(a.logged); lines == 0 || lines > 3 {
				t.Errorf("%d lines contain %q", lines, a.logged)
			}
			if status, _, _ := n.attempt("198.51.100.9:1"); status != http.StatusSwitchingProtocols {
				t.Errorf("another address is refused with %d", status)
			}
		})
	}
}

// flood returns a function that sends a frame until the connection ends.
func flood(frame []byte) func(n *node, i int) {
	many := make([]byte, 0, 64<<10+len(frame))
	for len(many) < 64<<10 {
		many = append(many, frame...)
	}
	return func(n *node, i int) {
		p := n.loginFrom(attacker, fmt.Sprint("mallory", i))
		for {
			if _, err := p.conn.Write(many); err != nil {
				return
			}
		}
	}
}

// untilEnd waits until the server has closed the connection.
func (p *peer) untilEnd() {
	for p.next() != "<end>" { //nolint:revive // nothing else matters
	}
}

// behavesWell connects a client that uses the server as intended.
func (n *node) behavesWell() {
	n.t.Helper()
	_, _, p := n.attempt("198.51.100.7:1")
	if p == nil {
		n.t.Fatal("a client with another address is refused")
	}
	p.text(`{"event":"authenticate","data":{"user":"good","protocol":2}}`)
	p.next()
	p.text(`{"event":"join","data":{"rooms":["a","b"]},"id":"j"}`)
	if got := p.next(); !strings.Contains(got, `"refused":[]`) {
		n.t.Errorf("the join was answered with %s", got)
	}
	for i := range 50 {
		p.text(fmt.Sprintf(`{"event":"heartbeat","id":"%d"}`, i))
		if got := p.next(); got != fmt.Sprintf(`{"event":"ack","id":"%d"}`, i) {
			n.t.Fatalf("answered with %s", got)
		}
	}
	_ = p.conn.Close()
}
