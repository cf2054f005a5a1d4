package redisbus_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"go.uber.org/goleak"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/bustest"
	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	_ ignis.Bus        = (*redisbus.Bus)(nil)
	_ ignis.BusMonitor = (*redisbus.Bus)(nil)
	_ ignis.CommandBus = (*redisbus.Bus)(nil)

	_ emitter.CommandPublisher = (*redisbus.Publisher)(nil)
)

// conformance runs the bus test suite on the Redis that url returns for each test.
func conformance(t *testing.T, url func(t *testing.T) string) {
	bustest.Run(t, func(t *testing.T, nodes int) []ignis.Bus {
		u := url(t)
		var list []ignis.Bus
		for range nodes {
			bus, err := redisbus.New(redisbus.Config{URL: u, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, bus)
		}
		return list
	})
}

func TestConformanceEmbedded(t *testing.T) {
	conformance(t, func(t *testing.T) string { return "redis://" + miniredis.RunT(t).Addr() })
}

func TestPublisherConformance(t *testing.T) {
	bustest.RunPublisher(t, func(t *testing.T) (emitter.Publisher, ignis.Bus) {
		c := redisbus.Config{URL: redistest.Start(t).URL(), Logger: discard()}
		bus, err := redisbus.New(c)
		if err != nil {
			t.Fatal(err)
		}
		return dial(t, c), bus
	})
}

// The tests of a suite share one process, because each test stops its buses.

func TestConformanceRedis(t *testing.T) {
	url := redistest.Start(t).URL()
	conformance(t, func(*testing.T) string { return url })
}

func TestConformanceUnixSocket(t *testing.T) {
	url := "unix://" + redistest.Start(t).Socket()
	conformance(t, func(*testing.T) string { return url })
}

func TestConformanceSentinel(t *testing.T) {
	url := redistest.StartSentinel(t, 1).URL()
	conformance(t, func(*testing.T) string { return url })
}

func TestConformanceCluster(t *testing.T) {
	url := redistest.StartCluster(t).URL()
	bustest.Run(t, func(t *testing.T, nodes int) []ignis.Bus {
		var list []ignis.Bus
		for range nodes {
			bus, err := redisbus.New(redisbus.Config{URL: url, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, tagged{bus, t.Name() + "\n"})
		}
		return list
	})
}

// tagged separates the tests of a suite that share a Cluster: a message that one test
// published may reach another node only when the bus of the next test is already running.
type tagged struct {
	*redisbus.Bus
	tag string
}

func (b tagged) Publish(channel string, envelope []byte) error {
	return b.Bus.Publish(channel, append([]byte(b.tag), envelope...))
}

func (b tagged) Run(ctx context.Context, ready func(), receive func(...[]byte)) error {
	return b.Bus.Run(ctx, ready, func(envelopes ...[]byte) {
		mine := envelopes[:0]
		for _, e := range envelopes {
			if rest, ok := bytes.CutPrefix(e, []byte(b.tag)); ok {
				mine = append(mine, rest)
			}
		}
		if len(mine) > 0 {
			receive(mine...)
		}
	})
}
