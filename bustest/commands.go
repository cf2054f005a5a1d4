package bustest

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// runCommands runs the tests for an [ignis.CommandBus] as subtests of t. It skips them if the
// buses do not implement it.
func runCommands(t *testing.T, make New) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, New)
	}{
		{"SendCommandsFailsUnlessRunning", sendCommandsFailsUnlessRunning},
		{"CommandsReachEveryNode", commandsReachEveryNode},
		{"StoredCommandsReachLaterNodes", storedCommandsReachLaterNodes},
		{"NoCommandIsMissedAtTheStart", noCommandIsMissedAtTheStart},
		{"CommandsAreStoredOnce", commandsAreStoredOnce},
		{"CommandsAreForgotten", commandsAreForgotten},
		{"CommandBytesAreKept", commandBytesAreKept},
		{"ReceiveCommandsEndsWithItsContext", receiveCommandsEndsWithItsContext},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, make) })
	}
}

// commander is a running bus whose commands are received.
type commander struct {
	*running
	commands ignis.CommandBus
	mark     string             // precedes the commands of this test, because a store may contain others
	stored   chan []string      // what each call of stored got
	sent     chan string        // what sent got
	seen     map[string]bool    // what nextCommand has returned
	end      context.CancelFunc // ends ReceiveCommands
	ended    chan error
}

// newMark returns the beginning of a test's commands.
func newMark() string { return rand.Text() + " " }

// commandBuses returns the buses of a new cluster, or skips the test.
func commandBuses(t *testing.T, make New, nodes int) (list []ignis.Bus, mark string) {
	t.Helper()
	list = make(t, nodes)
	if _, ok := list[0].(ignis.CommandBus); !ok {
		t.Skip("the bus is not an ignis.CommandBus")
	}
	return list, newMark()
}

// command runs a bus and receives its commands until the test ends. It returns when stored has
// been called for the first time.
func command(t *testing.T, bus ignis.Bus, mark string) *commander {
	t.Helper()
	c := &commander{
		commands: bus.(ignis.CommandBus), mark: mark, seen: make(map[string]bool),
		stored: make(chan []string, 1<<10), sent: make(chan string, 1<<16), ended: newResult(),
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	c.end = cancel
	go func() {
		c.ended <- c.commands.ReceiveCommands(ctx, func(commands ...[]byte) {
			c.stored <- c.mine(commands)
		}, func(commands ...[]byte) {
			for _, text := range c.mine(commands) {
				c.sent <- text
			}
		})
	}()
	c.running = start(t, bus, func([]byte) {})
	t.Cleanup(c.endCommands)
	return c
}

// mine returns the commands that begin with the mark, without it.
func (c *commander) mine(commands [][]byte) (list []string) {
	for _, text := range commands {
		if rest, ok := strings.CutPrefix(string(text), c.mark); ok {
			list = append(list, rest)
		}
	}
	return list
}

// endCommands ends ReceiveCommands and checks that it returns nil.
func (c *commander) endCommands() {
	c.t.Helper()
	c.end()
	select {
	case err := <-c.ended:
		if err != nil {
			c.t.Errorf("ReceiveCommands = %v after its context ended, want nil", err)
		}
		c.ended <- nil
	case <-time.After(deadline):
		c.t.Errorf("ReceiveCommands has not returned %v after its context ended", deadline)
	}
}

// send sends commands. A zero time means that they are not stored.
func (c *commander) send(until time.Time, texts ...string) {
	c.t.Helper()
	list := make([]wire.EncodedCommand, len(texts))
	for i, text := range texts {
		list[i] = wire.EncodedCommand{Text: []byte(c.mark + text), Until: until}
	}
	if err := c.commands.SendCommands(c.t.Context(), list...); err != nil {
		c.t.Fatalf("SendCommands: %v", err)
	}
}

// nextStored returns what the next call of stored gets.
func (c *commander) nextStored() []string {
	c.t.Helper()
	select {
	case list := <-c.stored:
		return list
	case err := <-c.ended:
		c.ended <- err
		c.t.Fatalf("ReceiveCommands returned early: %v", err)
	case <-time.After(deadline):
		c.t.Fatalf("stored was not called for %v", deadline)
	}
	return nil
}

// nextCommand returns the next command that arrives and did not arrive before.
func (c *commander) nextCommand() string {
	c.t.Helper()
	for {
		select {
		case text := <-c.sent:
			if !c.seen[text] {
				c.seen[text] = true
				return text
			}
		case err := <-c.ended:
			c.ended <- err
			c.t.Fatalf("ReceiveCommands returned early: %v", err)
		case <-time.After(deadline):
			c.t.Fatalf("no command arrived for %v", deadline)
		}
	}
}

func inAnHour() time.Time { return time.Now().Add(time.Hour) }

func sendCommandsFailsUnlessRunning(t *testing.T, make New) {
	buses, mark := commandBuses(t, make, 1)
	early := wire.EncodedCommand{Text: []byte(mark + "early"), Until: inAnHour()}
	bus := buses[0].(ignis.CommandBus)
	if bus.SendCommands(t.Context(), early) == nil {
		t.Error("SendCommands before Run returned no error")
	}
	c := command(t, buses[0], mark)
	if got := c.nextStored(); len(got) > 0 {
		t.Errorf("%q are stored although SendCommands failed", got)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if bus.SendCommands(ended, early) == nil {
		t.Error("SendCommands with an ended context returned no error")
	}
	c.send(time.Time{}, "now")
	if got := c.nextCommand(); got != "now" {
		t.Errorf("%q arrived, want now", got)
	}
	c.stop()
	if bus.SendCommands(t.Context(), early) == nil {
		t.Error("SendCommands after Run returned no error")
	}
}

func commandsReachEveryNode(t *testing.T, make New) {
	const each = 20
	buses, mark := commandBuses(t, make, 3)
	var nodes []*commander
	for _, bus := range buses {
		c := command(t, bus, mark)
		c.nextStored()
		nodes = append(nodes, c)
	}
	for i, from := range nodes {
		for n := range each {
			until := time.Time{}
			if n%2 == 0 {
				until = inAnHour()
			}
			from.send(until, fmt.Sprint(i, n))
		}
	}
	for i, to := range nodes {
		var next [3]int
		for range len(nodes) * each {
			var from, n int
			text := to.nextCommand()
			if _, err := fmt.Sscan(text, &from, &n); err != nil || from < 0 || from >= len(nodes) {
				t.Fatalf("node %d received %q", i, text)
			}
			if n != next[from] {
				t.Fatalf("node %d received command %d of node %d, want %d", i, n, from, next[from])
			}
			next[from]++
		}
	}
}

func storedCommandsReachLaterNodes(t *testing.T, make New) {
	buses, mark := commandBuses(t, make, 3)
	first := command(t, buses[0], mark)
	if got := first.nextStored(); len(got) > 0 {
		t.Errorf("%q are stored in the beginning", got)
	}
	first.send(inAnHour(), "stored")
	first.send(time.Time{}, "not stored")
	for i, bus := range buses[1:] {
		if got := command(t, bus, mark).nextStored(); !slices.Equal(got, []string{"stored"}) {
			t.Errorf("node %d begins with %q, want the command that is stored", i+1, got)
		}
		first.endCommands() // the last node starts when the sender is gone
		first.stop()
	}
}

// noCommandIsMissedAtTheStart checks that a node that starts while another one sends commands
// learns of all of them, from the store or as they arrive.
func noCommandIsMissedAtTheStart(t *testing.T, make New) {
	const more = 100
	buses, mark := commandBuses(t, make, 2)
	first := command(t, buses[0], mark)
	first.nextStored()
	begun, started := newSignal(), newSignal()
	var sender sync.WaitGroup
	sent := 0
	sender.Go(func() {
		defer begun.set()
		tick := time.NewTicker(100 * time.Microsecond)
		defer tick.Stop()
		for last := -1; last < 0 || sent < last; sent++ {
			text := wire.EncodedCommand{Text: fmt.Append([]byte(mark), sent), Until: inAnHour()}
			if err := first.commands.SendCommands(t.Context(), text); err != nil {
				t.Errorf("SendCommands: %v", err)
				return
			}
			if sent == more {
				begun.set()
			}
			select {
			case <-started.c:
				if last < 0 {
					last = sent + more
				}
			default:
			}
			<-tick.C
		}
		first.send(time.Time{}, "end")
	})
	defer sender.Wait()
	defer started.set()
	begun.wait(t, "the first commands to be sent")
	late := command(t, buses[1], mark)
	for _, text := range late.nextStored() {
		late.seen[text] = true
	}
	started.set()
	for text := ""; text != "end"; {
		text = late.nextCommand()
	}
	sender.Wait()
	for i := range sent {
		if !late.seen[fmt.Sprint(i)] {
			t.Fatalf("command %d of %d was missed", i, sent)
		}
	}
}

func commandsAreStoredOnce(t *testing.T, make New) {
	buses, mark := commandBuses(t, make, 2)
	first := command(t, buses[0], mark)
	first.nextStored()
	until := inAnHour()
	for range 3 {
		first.send(until, "again")
	}
	if got := command(t, buses[1], mark).nextStored(); !slices.Equal(got, []string{"again"}) {
		t.Errorf("a later node begins with %q, want the command once", got)
	}
}

func commandsAreForgotten(t *testing.T, make New) {
	buses, mark := commandBuses(t, make, 1)
	c := command(t, buses[0], mark)
	c.nextStored()
	c.send(time.Now().Add(50*time.Millisecond), "short")
	c.send(inAnHour(), "long")
	for began := time.Now(); ; {
		c.endCommands()
		again := receiveAgain(t, c)
		got := again.nextStored()
		if slices.Equal(got, []string{"long"}) {
			return
		}
		if !slices.Contains(got, "long") {
			t.Fatalf("%q are stored; the command with more time is gone", got)
		}
		if time.Since(began) > deadline {
			t.Fatalf("%q are stored after %v", got, deadline)
		}
		c = again
		c.send(time.Time{}, "something else") // a bus may clean up when commands are sent
	}
}

// receiveAgain receives the commands of a bus that is already running.
func receiveAgain(t *testing.T, c *commander) *commander {
	again := *c
	again.stored, again.ended = make(chan []string, 1<<10), newResult()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	again.end = cancel
	go func() {
		again.ended <- c.commands.ReceiveCommands(ctx, func(commands ...[]byte) { again.stored <- again.mine(commands) }, func(...[]byte) {})
	}()
	t.Cleanup(again.endCommands)
	return &again
}

func commandBytesAreKept(t *testing.T, make New) {
	buses, mark := commandBuses(t, make, 2)
	first, other := command(t, buses[0], mark), command(t, buses[1], mark)
	first.nextStored()
	other.nextStored()
	all := bytes.Repeat([]byte{0, 1, '\r', '\n', 0xff, 'x', '"', '%', '\''}, 50)
	large := bytes.Repeat([]byte("0123456789abcdef"), wire.MaxCommand/16)[:wire.MaxCommand-len(mark)]
	for _, text := range []string{"\r\n", string(all), string(large), "0", "-inf"} {
		buffer := append([]byte(mark+text), '!')
		if err := first.commands.SendCommands(t.Context(), wire.EncodedCommand{Text: buffer[:len(buffer)-1], Until: inAnHour()}); err != nil {
			t.Fatalf("SendCommands: %v", err)
		}
		if string(buffer) != mark+text+"!" {
			t.Error("SendCommands has changed the text")
		}
		clear(buffer)
		if got := other.nextCommand(); got != text {
			t.Fatalf("received %d bytes that differ from the %d sent", len(got), len(text))
		}
	}
}

func receiveCommandsEndsWithItsContext(t *testing.T, make New) {
	buses, mark := commandBuses(t, make, 2)
	before := goleak.IgnoreCurrent()
	a, b := command(t, buses[0], mark), command(t, buses[1], mark)
	a.nextStored()
	b.nextStored()
	a.send(inAnHour(), "x")
	if got := b.nextCommand(); got != "x" {
		t.Errorf("received %q, want x", got)
	}
	for _, c := range []*commander{a, b} {
		c.endCommands()
		c.stop()
	}
	goleak.VerifyNone(t, before)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.commands.ReceiveCommands(ended, func(...[]byte) {}, func(...[]byte) {}); err != nil {
		t.Errorf("ReceiveCommands with an ended context = %v, want nil", err)
	}
}
