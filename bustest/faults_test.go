package bustest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/bustest"
	"github.com/ignis-go/ignis/internal/childproc"
)

// broken is a bus that alters the calls and effects of an in-memory bus.
type broken struct {
	ignis.Bus
	node    int
	publish func(bus ignis.Bus, channel string, envelope []byte) error
	receive func(node int, receive func(...[]byte), envelopes [][]byte)
	run     func(bus ignis.Bus, ctx context.Context, ready func(), receive func(...[]byte)) error
}

func (b *broken) Publish(channel string, envelope []byte) error {
	if b.publish != nil {
		return b.publish(b.Bus, channel, envelope)
	}
	return b.Bus.Publish(channel, envelope)
}

func (b *broken) Run(ctx context.Context, ready func(), receive func(...[]byte)) error {
	each := receive
	if b.receive != nil {
		each = func(envelopes ...[]byte) { b.receive(b.node, receive, envelopes) }
	}
	if b.run != nil {
		return b.run(b.Bus, ctx, ready, each)
	}
	return b.Bus.Run(ctx, ready, each)
}

// faults returns broken buses, by the test that should detect the fault.
func faults() map[string]broken {
	var shared sync.Map // published envelopes by number
	var numbers, changed, inside atomic.Int64
	return map[string]broken{
		"PublishFailsUnlessRunning": {publish: func(bus ignis.Bus, channel string, envelope []byte) error {
			_ = bus.Publish(channel, envelope)
			return nil
		}},
		"EveryNodeHears": {publish: func(bus ignis.Bus, channel string, envelope []byte) error {
			return errors.Join(bus.Publish(channel, envelope), bus.Publish(channel, envelope))
		}},
		"ReadyComesOnceAndFirst": {run: func(bus ignis.Bus, ctx context.Context, ready func(), receive func(...[]byte)) error {
			return bus.Run(ctx, func() { go ready() }, receive)
		}},
		"OrderPerChannel": {receive: func(_ int, receive func(...[]byte), envelopes [][]byte) {
			slices.Reverse(envelopes)
			receive(envelopes...)
		}},
		"BytesAreKept": {publish: func(bus ignis.Bus, channel string, envelope []byte) error {
			return bus.Publish(channel, bytes.TrimSpace(envelope))
		}},
		"ReceiveOwnsTheSlice": {
			publish: func(bus ignis.Bus, channel string, envelope []byte) error {
				n := numbers.Add(1)
				shared.Store(n, bytes.Clone(envelope))
				return bus.Publish(channel, fmt.Append(nil, n))
			},
			receive: func(node int, receive func(...[]byte), envelopes [][]byte) {
				for _, e := range envelopes {
					var n int64
					_, _ = fmt.Sscan(string(e), &n)
					text, _ := shared.Load(n)
					for node == 2 && changed.Load() < 2*n { // wait until the others have changed it
						runtime.Gosched()
					}
					receive(text.([]byte))
					changed.Add(1)
				}
			},
		},
		"PublishedSliceIsLeftAlone": {publish: func(bus ignis.Bus, channel string, envelope []byte) error {
			_ = append(envelope, '!')
			return bus.Publish(channel, envelope)
		}},
		"ReceiveMayPublish": {
			publish: func(bus ignis.Bus, channel string, envelope []byte) error {
				err := bus.Publish(channel, envelope)
				if inside.Load() > 0 && string(envelope) == "pong" {
					err = errors.New("receive is called")
				}
				return err
			},
			receive: func(_ int, receive func(...[]byte), envelopes [][]byte) {
				inside.Add(1)
				defer inside.Add(-1)
				receive(envelopes...)
			},
		},
		"SlowReceiverDelaysNobody": {publish: func(bus ignis.Bus, channel string, envelope []byte) error {
			if numbers.Add(1) > 100 {
				return errors.New("too many wait")
			}
			return bus.Publish(channel, envelope)
		}},
		"RunEndsWithItsContext": {run: func(bus ignis.Bus, ctx context.Context, ready func(), receive func(...[]byte)) error {
			return errors.Join(bus.Run(ctx, ready, receive), ctx.Err())
		}},
		"NoGoroutineIsLeft": {run: func(bus ignis.Bus, ctx context.Context, ready func(), receive func(...[]byte)) error {
			go func() { select {} }()
			return bus.Run(ctx, ready, receive)
		}},
	}
}

const askForFaults = "BUSTEST_FAULTS"

// TestBroken is run by TestSuiteFindsFaults in separate processes, because it fails.
func TestBroken(t *testing.T) {
	if os.Getenv(askForFaults) == "" {
		return
	}
	for name, fault := range faults() {
		t.Run(name, func(t *testing.T) {
			bustest.Run(t, func(_ *testing.T, nodes int) []ignis.Bus {
				buses := bustest.NewCluster(nodes)
				for i := range buses {
					b := fault
					b.Bus, b.node = buses[i], i
					buses[i] = &b
				}
				return buses
			})
		})
	}
}

// If a bus breaks a rule, the test of that rule fails.
func TestSuiteFindsFaults(t *testing.T) {
	for name := range faults() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := childproc.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run=^TestBroken$/^"+name+"$/^"+name+"$")
			cmd.Env = append(os.Environ(), askForFaults+"=1")
			out, err := cmd.CombinedOutput()
			if failed := "--- FAIL: TestBroken/" + name + "/" + name; err == nil || !strings.Contains(string(out), failed) {
				t.Errorf("the fault was not detected:\n%s", out)
			}
		})
	}
}
