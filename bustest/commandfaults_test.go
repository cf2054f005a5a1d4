package bustest_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/bustest"
	"github.com/ignis-go/ignis/wire"
)

// brokenCommands is a bus that alters the calls and effects of an in-memory bus that concern
// commands.
type brokenCommands struct {
	ignis.Bus
	commands ignis.CommandBus
	send     func(bus ignis.CommandBus, ctx context.Context, list []wire.EncodedCommand) error
	receive  func(bus ignis.CommandBus, ctx context.Context, stored, sent func(...[]byte)) error
}

func (b *brokenCommands) SendCommands(ctx context.Context, list ...wire.EncodedCommand) error {
	if b.send != nil {
		return b.send(b.commands, ctx, list)
	}
	return b.commands.SendCommands(ctx, list...)
}

func (b *brokenCommands) ReceiveCommands(ctx context.Context, stored, sent func(...[]byte)) error {
	if b.receive != nil {
		return b.receive(b.commands, ctx, stored, sent)
	}
	return b.commands.ReceiveCommands(ctx, stored, sent)
}

// commandFault is a broken bus, the test that detects it, and what the test reports.
type commandFault struct {
	test, says string
	brokenCommands
}

func commandFaults() map[string]commandFault {
	nothing := func(...[]byte) {}
	return map[string]commandFault{
		"silent": {"SendCommandsFailsUnlessRunning", "SendCommands before Run returned no error", brokenCommands{send: func(bus ignis.CommandBus, ctx context.Context, list []wire.EncodedCommand) error {
			_ = bus.SendCommands(ctx, list...)
			return nil
		}}},
		"deaf-to-context": {"SendCommandsFailsUnlessRunning", "SendCommands with an ended context returned no error", brokenCommands{send: func(bus ignis.CommandBus, ctx context.Context, list []wire.EncodedCommand) error {
			return bus.SendCommands(context.WithoutCancel(ctx), list...)
		}}},
		"backwards": {"CommandsReachEveryNode", "received command", brokenCommands{send: func() func(ignis.CommandBus, context.Context, []wire.EncodedCommand) error {
			var kept []wire.EncodedCommand
			return func(bus ignis.CommandBus, ctx context.Context, list []wire.EncodedCommand) error {
				if kept = append(kept, list...); len(kept) < 4 {
					return nil
				}
				slices.Reverse(kept)
				defer func() { kept = nil }()
				return bus.SendCommands(ctx, kept...)
			}
		}()}},
		"keeps-nothing": {"StoredCommandsReachLaterNodes", "begins with []", brokenCommands{send: func(bus ignis.CommandBus, ctx context.Context, list []wire.EncodedCommand) error {
			for _, c := range list {
				c.Until = time.Time{}
				if err := bus.SendCommands(ctx, c); err != nil {
					return err
				}
			}
			return nil
		}}},
		"keeps-everything": {"StoredCommandsReachLaterNodes", "not stored", brokenCommands{send: func(bus ignis.CommandBus, ctx context.Context, list []wire.EncodedCommand) error {
			for _, c := range list {
				c.Until = time.Now().Add(time.Hour)
				if err := bus.SendCommands(ctx, c); err != nil {
					return err
				}
			}
			return nil
		}}},
		"reads-late": {"NoCommandIsMissedAtTheStart", "was missed", brokenCommands{receive: func(bus ignis.CommandBus, ctx context.Context, stored, sent func(...[]byte)) error {
			first := true
			return bus.ReceiveCommands(ctx, stored, func(list ...[]byte) {
				if !first { // the first commands are lost
					sent(list...)
				}
				first = false
			})
		}}},
		"keeps-all": {"CommandsAreStoredOnce", "want the command once", brokenCommands{receive: func(bus ignis.CommandBus, ctx context.Context, stored, sent func(...[]byte)) error {
			return bus.ReceiveCommands(ctx, func(list ...[]byte) { stored(slices.Repeat(list, 3)...) }, sent)
		}}},
		"forgets-all": {"CommandsAreForgotten", "the command with more time is gone", brokenCommands{receive: func(bus ignis.CommandBus, ctx context.Context, stored, sent func(...[]byte)) error {
			return bus.ReceiveCommands(ctx, func(...[]byte) { stored() }, sent)
		}}},
		"shouts": {"CommandBytesAreKept", "that differ from the", brokenCommands{send: func(bus ignis.CommandBus, ctx context.Context, list []wire.EncodedCommand) error {
			for _, c := range list {
				c.Text = bytes.ToUpper(c.Text)
				if err := bus.SendCommands(ctx, c); err != nil {
					return err
				}
			}
			return nil
		}}},
		"writes": {"CommandBytesAreKept", "SendCommands has changed the text", brokenCommands{send: func(bus ignis.CommandBus, ctx context.Context, list []wire.EncodedCommand) error {
			defer func() { _ = append(list[0].Text, '?') }()
			return bus.SendCommands(ctx, list...)
		}}},
		"ends-with-an-error": {"ReceiveCommandsEndsWithItsContext", "ReceiveCommands = no luck after its context ended", brokenCommands{receive: func(bus ignis.CommandBus, ctx context.Context, stored, sent func(...[]byte)) error {
			return errors.Join(bus.ReceiveCommands(ctx, stored, sent), errors.New("no luck"))
		}}},
		"never-reads": {"ReceiveCommandsEndsWithItsContext", "ReceiveCommands returned early: no luck", brokenCommands{receive: func(bus ignis.CommandBus, ctx context.Context, _, _ func(...[]byte)) error {
			ended, cancel := context.WithCancel(ctx)
			cancel()
			return errors.Join(bus.ReceiveCommands(ended, nothing, nothing), errors.New("no luck"))
		}}},
	}
}

// TestBrokenCommands is run by TestSuiteFindsCommandFaults in separate processes, because it
// fails.
func TestBrokenCommands(t *testing.T) {
	if os.Getenv(askForFaults) == "" {
		return
	}
	for name, fault := range commandFaults() {
		t.Run(name, func(t *testing.T) {
			bustest.Run(t, func(_ *testing.T, nodes int) []ignis.Bus {
				buses := bustest.NewCluster(nodes)
				for i := range buses {
					b := fault.brokenCommands
					b.Bus, b.commands = buses[i], buses[i].(ignis.CommandBus)
					buses[i] = &b
				}
				return buses
			})
		})
	}
}

func TestSuiteFindsCommandFaults(t *testing.T) {
	found := make(map[string]bool)
	for name, fault := range commandFaults() {
		found[fault.test] = true
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			findsFault(t, "TestBrokenCommands", name, fault.test, fault.says)
		})
	}
	checkEachFinds(t, "commands.go", found)
}
