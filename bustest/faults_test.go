package bustest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
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

// fault is a broken bus, the test that detects it, and what the test reports.
type fault struct {
	test, says string
	broken
}

// faults returns broken buses by name.
func faults() map[string]fault {
	var shared sync.Map // published envelopes by number
	var numbers, changed, inside atomic.Int64
	failing := func(envelope string) func(ignis.Bus, string, []byte) error {
		return func(bus ignis.Bus, channel string, e []byte) error {
			err := bus.Publish(channel, e) // or the suite would wait for it
			if string(e) == envelope {
				err = errors.New("no luck")
			}
			return err
		}
	}
	return map[string]fault{
		"silent": {"PublishFailsUnlessRunning", "Publish before Run returned no error", broken{publish: func(bus ignis.Bus, channel string, envelope []byte) error {
			_ = bus.Publish(channel, envelope)
			return nil
		}}},
		"silent-afterwards": {"PublishFailsUnlessRunning", "Publish after Run returned no error", broken{publish: func(bus ignis.Bus, channel string, envelope []byte) error {
			if err := bus.Publish(channel, envelope); string(envelope) != "late" {
				return err
			}
			return nil
		}}},
		"early": {"PublishFailsUnlessRunning", `received "early", want "now"`, broken{publish: func(bus ignis.Bus, channel string, envelope []byte) error {
			if string(envelope) == "now" {
				_ = bus.Publish(channel, []byte("early"))
			}
			return bus.Publish(channel, envelope)
		}}},
		"unwilling":      {"PublishFailsUnlessRunning", "Publish: no luck", broken{publish: failing("now")}},
		"unwilling-1":    {"OneAtATime", "Publish: no luck", broken{publish: failing("77")}},
		"unwilling-many": {"ConcurrentPublishers", "Publish: no luck", broken{publish: failing("3 499")}},
		"unwilling-pong": {"ReceiveMayPublish", "Publish: no luck", broken{publish: failing("pong")}},
		"never-runs": {"PublishFailsUnlessRunning", "Run returned before it was ready: no luck", broken{run: func(ignis.Bus, context.Context, func(), func(...[]byte)) error {
			return errors.New("no luck")
		}}},
		"ends-early": {"EveryNodeReceives", "Run returned early: no luck", broken{run: func(bus ignis.Bus, ctx context.Context, ready func(), _ func(...[]byte)) error {
			ctx, cancel := context.WithCancel(ctx)
			return errors.Join(errors.New("no luck"), bus.Run(ctx, ready, func(...[]byte) { cancel() }))
		}}},
		"ends-with-an-error": {"PublishFailsUnlessRunning", "Run = context canceled after its context ended", broken{run: func(bus ignis.Bus, ctx context.Context, ready func(), receive func(...[]byte)) error {
			return errors.Join(bus.Run(ctx, ready, receive), ctx.Err())
		}}},
		"twice": {"EveryNodeReceives", "received", broken{publish: func(bus ignis.Bus, channel string, envelope []byte) error {
			return errors.Join(bus.Publish(channel, envelope), bus.Publish(channel, envelope))
		}}},
		"ready-late": {"ReadyIsCalledOnceAndFirst", "receive was called before ready", broken{run: func(bus ignis.Bus, ctx context.Context, ready func(), receive func(...[]byte)) error {
			return bus.Run(ctx, func() { go ready() }, receive)
		}}},
		"ready-twice": {"ReadyIsCalledOnceAndFirst", "ready was called 2 times", broken{run: func(bus ignis.Bus, ctx context.Context, ready func(), receive func(...[]byte)) error {
			if numbers.Add(1) == 1 { // which all tests begin with
				return bus.Run(ctx, ready, receive)
			}
			return bus.Run(ctx, func() { ready(); ready() }, receive)
		}}},
		"ready-and-an-error": {"ReadyIsCalledOnceAndFirst", "Run = no luck", broken{run: func(bus ignis.Bus, ctx context.Context, ready func(), receive func(...[]byte)) error {
			first := numbers.Add(1) == 1
			if err := bus.Run(ctx, ready, receive); first || err != nil {
				return err
			}
			return errors.New("no luck")
		}}},
		"backwards": {"OrderPerChannel", "received", broken{receive: func(_ int, receive func(...[]byte), envelopes [][]byte) {
			slices.Reverse(envelopes)
			receive(envelopes...)
		}}},
		"backwards-among-many": {"ConcurrentPublishers", ": received number ", broken{receive: func(_ int, receive func(...[]byte), envelopes [][]byte) {
			slices.Reverse(envelopes)
			receive(envelopes...)
		}}},
		"another-publisher": {"ConcurrentPublishers", `received "8 0"`, broken{receive: func(_ int, receive func(...[]byte), envelopes [][]byte) {
			receive(slices.Repeat([][]byte{[]byte("8 0")}, len(envelopes))...)
		}}},
		"no-number": {"ConcurrentPublishers", `received "x"`, broken{receive: func(_ int, receive func(...[]byte), envelopes [][]byte) {
			receive(slices.Repeat([][]byte{[]byte("x")}, len(envelopes))...)
		}}},
		"all-at-once": {"OneAtATime", "receive was called while a call was in progress", broken{receive: func(_ int, receive func(...[]byte), envelopes [][]byte) {
			var all sync.WaitGroup
			for range 2 {
				all.Go(func() { receive(slices.Repeat(envelopes, 30)...) })
			}
			all.Wait()
		}}},
		"trimmed": {"BytesArriveUnchanged", "that differ from the", broken{publish: func(bus ignis.Bus, channel string, envelope []byte) error {
			return bus.Publish(channel, bytes.TrimSpace(envelope))
		}}},
		"shared": {"ReceiveOwnsTheSlice", "received", broken{
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
		}},
		"writes-behind-it": {"PublishedSliceIsLeftAlone", "the published slice is now", broken{publish: func(bus ignis.Bus, channel string, envelope []byte) error {
			_ = append(envelope, '!')
			return bus.Publish(channel, envelope)
		}}},
		"writes-into-it": {"PublishedSliceIsLeftAlone", "received", broken{publish: func(bus ignis.Bus, channel string, envelope []byte) error {
			defer func() { envelope[0] = '!' }()
			return bus.Publish(channel, envelope)
		}}},
		"refuses-within-receive": {"ReceiveMayPublish", "Publish: receive is called", broken{
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
		}},
		"full": {"SlowReceiverDelaysNoOtherNode", "Publish: too many wait", broken{publish: func(bus ignis.Bus, channel string, envelope []byte) error {
			if numbers.Add(1) > 100 {
				return errors.New("too many wait")
			}
			return bus.Publish(channel, envelope)
		}}},
		"ended-with-an-error": {"RunEndsWithItsContext", "Run with an ended context = context canceled", broken{run: func(bus ignis.Bus, ctx context.Context, ready func(), receive func(...[]byte)) error {
			return errors.Join(bus.Run(ctx, ready, receive), ctx.Err())
		}}},
		"ends-in-a-stream-with-an-error": {"RunEndsWithItsContext", "Run = no luck after its context ended", broken{run: func(bus ignis.Bus, ctx context.Context, ready func(), receive func(...[]byte)) error {
			if ctx.Err() != nil {
				return nil
			}
			return errors.Join(bus.Run(ctx, ready, receive), errors.New("no luck"))
		}}},
		"goes-on": {"RunEndsWithItsContext", "want 1 and no call after the context ended", broken{receive: func(_ int, receive func(...[]byte), envelopes [][]byte) {
			for range 3 {
				receive(envelopes...)
			}
		}}},
		"goroutine": {"NoGoroutineIsLeft", "found unexpected goroutines", broken{run: func(bus ignis.Bus, ctx context.Context, ready func(), receive func(...[]byte)) error {
			go func() { select {} }()
			return bus.Run(ctx, ready, receive)
		}}},
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
					b := fault.broken
					b.Bus, b.node = buses[i], i
					buses[i] = &b
				}
				return buses
			})
		})
	}
}

// The suite fails for a bus that breaks a rule, in the test of that rule, and says why.
func TestSuiteFindsFaults(t *testing.T) {
	for name, fault := range faults() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			findsFault(t, "TestBroken", name, fault.test, fault.says)
		})
	}
}

// findsFault checks that a test of the suite fails for the named fault, and says why.
func findsFault(t *testing.T, broken, name, test, says string) {
	t.Helper()
	cmd := childproc.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run=^"+broken+"$/^"+name+"$/^"+test+"$")
	cmd.Env = append(os.Environ(), askForFaults+"=1")
	out, err := cmd.CombinedOutput()
	if failed := "--- FAIL: " + broken + "/" + name + "/" + test; err == nil || !strings.Contains(string(out), failed) || !strings.Contains(string(out), says) {
		t.Errorf("the fault was not detected:\n%s", out)
	}
}

// Each test of the suite detects a fault.
func TestEachTestFindsAFault(t *testing.T) {
	found := make(map[string]bool)
	for _, fault := range faults() {
		found[fault.test] = true
	}
	checkEachFinds(t, "suite.go", found)
}

// checkEachFinds checks that each test of the suite in a file detects a fault.
func checkEachFinds(t *testing.T, file string, found map[string]bool) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tests := regexp.MustCompile(`(?m)^\t\t\{"(\w+)", `).FindAllStringSubmatch(string(text), -1)
	for _, m := range tests {
		if !found[m[1]] {
			t.Errorf("no fault is known that %s detects", m[1])
		}
	}
	if len(tests) != len(found) {
		t.Errorf("%d tests, of which %d detect a fault", len(tests), len(found))
	}
}
