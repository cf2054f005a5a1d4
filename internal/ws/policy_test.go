package ws

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/internal/longtest"
)

// Each script queues messages for a peer whose socket is full. A letter names each
// message; its policy and key follow.
func TestPolicies(t *testing.T) {
	const fits = 8 // messages
	for _, tt := range []struct {
		name   string
		script string
		want   string // waiting messages afterwards; "" if the connection is aborted
		tally  Tally
	}{
		{"below the limit", "a b:newest c:oldest d:latest,k", "a b c d", Tally{Queued: 4}},
		{"disconnect", "a b c d e f g h i j", "", Tally{Queued: 8, Closing: 1, Dropped: Dropped{Full: 1}}},
		{"drop the newest", "a b c d e f g h i:newest j:newest", "a b c d e f g h", Tally{Queued: 8, Dropped: Dropped{Full: 2}}},
		{
			"drop the newest although another would yield", "a:oldest b c d e f g h i:newest", "a b c d e f g h",
			Tally{Queued: 8, Dropped: Dropped{Full: 1}},
		},
		{
			"drop the oldest", "a:oldest b:oldest c d e f g h i:oldest j:oldest k:oldest", "c d e f g h j k",
			Tally{Queued: 11, Dropped: Dropped{Oldest: 3}},
		},
		{"nothing yields", "a b c:newest d:own e f g h i:oldest", "a b c d e f g h", Tally{Queued: 8, Dropped: Dropped{Full: 1}}},
		{
			"messages yield to others", "a b:oldest c:latest d:latest,k e f g h i j k", "a e f g h i j k",
			Tally{Queued: 11, Dropped: Dropped{Oldest: 3}},
		},
		{"until nothing yields", "a b:oldest c d e f g h i j", "", Tally{Queued: 9, Dropped: Dropped{Full: 1, Oldest: 1}}},
		{
			"the newest of each key", "a:latest,k b:latest,l c d:latest,k e:latest,k f:latest,l g", "c e f g",
			Tally{Queued: 7, Dropped: Dropped{Replaced: 3}},
		},
		{"without a key", "a:latest b:latest", "a b", Tally{Queued: 2}},
		{"a key under another policy", "a:oldest,k b:oldest,k c:latest,k d:newest,k", "a b c d", Tally{Queued: 4}},
		{
			"too many keys", "a:latest,k b:latest,l c d e f g h i:latest,m j:latest,l k:latest,k", "c d e f g h j k",
			Tally{Queued: 11, Dropped: Dropped{Oldest: 2, Replaced: 1}},
		},
		{
			"extra room for the protocol's own", "a b c d e f g h i:own j:own", "a b c d e f g h i j",
			Tally{Queued: 10},
		},
		{
			"until that is used up", "a b c d e f g h i:own j:own k:own", "",
			Tally{Queued: 10, Dropped: Dropped{Full: 1}},
		},
		{
			"others yield later", "a:oldest b:oldest c d e f g h i:own j:own k:oldest", "c d e f g h i j",
			Tally{Queued: 10, Dropped: Dropped{Full: 1, Oldest: 2}},
		},
		{"the protocol's own are not dropped", "a:own,oldest b c d e f g h i:oldest", "a b c d e f g h", Tally{Queued: 8, Dropped: Dropped{Full: 1}}},
		{"the protocol's own are not replaced", "a:own,latest,k b:latest,k c:own,latest,k", "a b c", Tally{Queued: 3}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &Conn{opts: &Options{Engine: new(Engine), BackpressureLimit: fits * text("a").cost()}, held: true, blocked: true}
			var sum Tally
			for _, word := range strings.Fields(tt.script) {
				sum.add(c.Enqueue(scripted(word)))
			}
			if got := c.names(); got != tt.want {
				t.Errorf("waiting: %q, want %q", got, tt.want)
			}
			if sum != tt.tally {
				t.Errorf("%+v, want %+v", sum, tt.tally)
			}
			if dead := c.phase == phaseDead; dead != (tt.want == "") || dead && c.ending.Cause != CauseBackpressure {
				t.Errorf("phase %v, %+v", c.phase, c.ending)
			}
		})
	}
}

// scripted returns the message described by a word of a script.
func scripted(word string) *Message {
	name, how, _ := strings.Cut(word, ":")
	m := text(name)
	own, isOwn := strings.CutPrefix(how, "own")
	if isOwn {
		how = strings.TrimPrefix(own, ",")
		m.Own()
	}
	how, key, _ := strings.Cut(how, ",")
	return m.Under(map[string]Policy{
		"": Disconnect, "newest": DropNewest, "oldest": DropOldest, "latest": Latest,
	}[how], key)
}

func (t *Tally) add(u Tally) {
	t.Queued += u.Queued
	t.Full += u.Full
	t.Closing += u.Closing
	t.Large += u.Large
	t.Oldest += u.Oldest
	t.Replaced += u.Replaced
}

// names returns the names of the waiting messages.
func (c *Conn) names() string {
	var names []string
	if c.backlog != nil {
		for _, m := range c.backlog.waiting() {
			if m != gone {
				names = append(names, string(m.Payload()))
			}
		}
	}
	return strings.Join(names, " ")
}

// A peer that keeps up gets every message of a key, even if they are queued in a burst.
func TestLatestWithoutBackpressure(t *testing.T) {
	onAll(t, func(t *testing.T, tr transport) {
		p := serve(t, tr, defaults())
		p.Hold()
		for i := range 100 {
			if v := p.Enqueue(text(fmt.Sprint(i)).Under(Latest, "k")); v != queued {
				t.Errorf("%+v", v)
			}
		}
		p.Release()
		for i := range 100 {
			p.expect(t, ws.OpText, fmt.Sprint(i))
		}
	})
}

// A message that is being written cannot be dropped, but messages behind it can: after one
// larger than the limit, the peer gets the newest message of each key.
func TestLatestBehindLargeMessage(t *testing.T) {
	longtest.Mark(t)
	onAll(t, func(t *testing.T, tr transport) {
		opts := defaults()
		opts.BackpressureLimit = 100_000
		p := serve(t, tr, opts)
		large := strings.Repeat("x", 30<<20)
		p.Enqueue(text(large).Under(Latest, "all"))
		until(t, "the write to start", func() bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.rest != nil || p.backlog != nil && p.backlog.taken > 0 && !p.Polled()
		})
		var sum Tally
		for i := range 100 {
			for key := range 50 {
				sum.add(p.Enqueue(text(fmt.Sprint(i, " of ", key)).Under(Latest, fmt.Sprint(key))))
			}
		}
		if sum != (Tally{Queued: 5000, Dropped: Dropped{Replaced: 4950}}) {
			t.Errorf("%+v", sum)
		}
		p.expect(t, ws.OpText, large)
		for key := range 50 {
			p.expect(t, ws.OpText, fmt.Sprint(99, " of ", key))
		}
	})
}

// On any kind of connection, a peer that does not read at first gets the newest message of
// each key in the order of sending, and every message that must not be dropped. Dropped
// messages are counted.
func TestLatestForPeerBehind(t *testing.T) {
	longtest.Mark(t)
	onAll(t, func(t *testing.T, tr transport) {
		for _, how := range []string{"unencrypted", "sealed", "sealed slowly"} {
			for _, limit := range []int{300_000, 30_000} { // enough for all keys, and too little
				t.Run(fmt.Sprint(how, " ", limit), func(t *testing.T) {
					opts := defaults()
					opts.BackpressureLimit, opts.SendBuffer = limit, 16<<10
					p := serve(t, tr, opts)
					seal := ""
					if how != "unencrypted" {
						p.Seal(tilde, how == "sealed slowly")
						seal = "~"
					}
					fallBehind(t, p, seal, limit == 300_000)
				})
			}
		}
	})
}

// fallBehind sends p many messages of 1000 bytes under 100 keys, separately and joined,
// before p reads any. all says whether the limit has room for one message of each key.
func fallBehind(t *testing.T, p *party, seal string, all bool) {
	const keys, rounds, own = 100, 100, 20
	pad := strings.Repeat("x", 1000)
	n := 0
	var sum Tally
	for round := range rounds {
		var parts []*Message
		for key := range keys {
			parts = append(parts, text(fmt.Sprintf("%d %d %s", n, key, pad)).Under(Latest, fmt.Sprint(key)))
			n++
			if len(parts) > round%3 {
				sum.add(p.Enqueue(Join(parts...)))
				parts = nil
			}
		}
		if parts != nil {
			sum.add(p.Enqueue(Join(parts...)))
		}
		if round%(rounds/own) == 0 {
			sum.add(p.Enqueue(text(fmt.Sprintf("%d own ", n)).Own()))
			n++
		}
	}
	if sum.Queued != n || sum.Full+sum.Closing+sum.Large > 0 || (sum.Oldest == 0) != all || all && sum.Replaced == 0 {
		t.Errorf("%+v of %d", sum, n)
	}
	p.Enqueue(text("end").Own())
	last, got, owned := -1, 0, 0
	seen := make(map[string]int)
	for {
		payload, _ := strings.CutPrefix(p.receive(t).Payload, seal)
		if payload == "end" {
			break
		}
		var i int
		var key string
		if _, err := fmt.Sscan(payload, &i, &key); err != nil || i <= last {
			t.Fatalf("%.20q arrived after %d: %v", payload, last, err)
		}
		last, seen[key] = i, i
		got++
		if key == "own" {
			owned++
		}
	}
	if want := n - int(sum.Replaced+sum.Oldest); got != want || owned != own {
		t.Errorf("%d messages arrived, %d of the protocol's own; want %d and %d", got, owned, want, own)
	}
	for key := range keys {
		if newest := n - keys + key; all && seen[fmt.Sprint(key)] != newest {
			t.Errorf("the last of key %d was %d, want %d", key, seen[fmt.Sprint(key)], newest)
		}
	}
}

// With concurrent senders, several policies and a slow reader, messages arrive in order,
// the counters are right, and each key ends with its newest message unless that may be
// dropped.
func TestPoliciesOfConcurrentSenders(t *testing.T) {
	longtest.Mark(t)
	for _, policies := range [][]Policy{{Latest, Latest, Latest, Latest}, {DropNewest, DropOldest, Latest, Latest}} {
		onAll(t, func(t *testing.T, tr transport) { sendUnder(t, tr, policies) })
	}
}

func sendUnder(t *testing.T, tr transport, policies []Policy) {
	const each = 3000
	opts := defaults()
	opts.BackpressureLimit, opts.SendBuffer = 200_000, 16<<10
	p := serve(t, tr, opts)
	var mu sync.Mutex
	var sum Tally
	var all sync.WaitGroup
	for s, policy := range policies {
		all.Go(func() {
			for i := range each {
				v := p.Enqueue(text(fmt.Sprintf("%d %d %s", s, i, strings.Repeat("x", i%500))).Under(policy, fmt.Sprint(s)))
				mu.Lock()
				sum.add(v)
				mu.Unlock()
			}
		})
	}
	ended := make(chan Tally)
	go func() {
		all.Wait()
		ended <- p.Enqueue(text("end").Own())
	}()
	last, got := []int{-1, -1, -1, -1}, 0
	for {
		payload := p.receive(t).Payload
		if payload == "end" {
			break
		}
		var s, i int
		if _, err := fmt.Sscan(payload, &s, &i); err != nil || i <= last[s] {
			t.Fatalf("%.20q arrived after %d: %v", payload, last[s], err)
		}
		last[s] = i
		got++
	}
	if v := wait(t, ended); v != queued {
		t.Errorf("the last message: %+v", v)
	}
	if want := sum.Queued - int(sum.Oldest+sum.Replaced); got != want || sum.Queued+int(sum.Full) != len(policies)*each {
		t.Errorf("%d messages arrived, want %d: %+v", got, want, sum)
	}
	if policies[0] == Latest && (slices.Min(last) < each-1 || sum.Oldest > 0) {
		t.Errorf("the last were %v: %+v", last, sum)
	}
}

// A queue from which messages are removed but not written does not grow, and makes its
// index only once.
func TestRemovedMessagesTakeNoRoom(t *testing.T) {
	longtest.Mark(t)
	c := &Conn{opts: &Options{Engine: new(Engine), BackpressureLimit: 1 << 20}, held: true, blocked: true}
	const keys = 1000
	one := func(i int) *Message { return text("x").Under(Latest, fmt.Sprint(i*i%keys)) }
	for i := range keys {
		c.Enqueue(text("y").Under(Policy(i%3), ""))
	}
	for i := range keys {
		c.Enqueue(one(i))
	}
	index, most := c.backlog.index, len(c.backlog.messages)
	for i := range 100 * keys {
		c.Enqueue(one(i))
		if n := cap(c.backlog.messages); n > 4*most || c.backlog.index != index {
			t.Fatalf("capacity %d, for %d messages", n, most)
		}
	}
	all := c.backlog.messages
	if slices.ContainsFunc(all[len(all):cap(all)], func(m *Message) bool { return m != nil }) {
		t.Error("messages that are not waiting are kept")
	}
	for range 1 << 20 { // removed because of the limit
		c.Enqueue(text("").Under(DropOldest, ""))
	}
	if n := cap(c.backlog.messages); n > 4*(1<<20/overhead) {
		t.Errorf("capacity %d", n)
	}
}

// Flushed reports each message once, however it is sent, and all bytes written.
func TestFlushed(t *testing.T) {
	longtest.Mark(t)
	onAll(t, func(t *testing.T, tr transport) {
		for _, how := range []string{"unencrypted", "sealed", "sealed slowly"} {
			t.Run(how, func(t *testing.T) {
				var messages, sent atomic.Int64
				opts := defaults()
				opts.SealFailed = func(error) {}
				opts.Flushed = func(w, m, b int) {
					if w < 1 || m < 0 || b < 0 || m+b == 0 {
						t.Errorf("%d writes, %d messages, %d bytes", w, m, b)
					}
					messages.Add(int64(w * m))
					sent.Add(int64(b))
				}
				p := serve(t, tr, opts)
				if how != "unencrypted" {
					p.Seal(sealer(func(s string) (string, error) {
						if s == "bad" {
							return "", errors.New("cannot")
						}
						return s, nil
					}), how == "sealed slowly")
					p.Enqueue(text("bad"))
				}
				want, size := 0, 0
				for i := range 300 {
					texts, joined := series(1+i%3, 20_000)
					p.Enqueue(joined)
					want, size = want+len(texts), size+joined.Size()
				}
				p.Ping()
				for range want {
					p.receive(t)
				}
				p.expect(t, ws.OpPing, "")
				until(t, "all to be reported", func() bool {
					return messages.Load() == int64(want+1) && sent.Load() == int64(size+pingMessage.Size())
				})
			})
		}
	})
}

// Flushed also reports messages of which a full socket accepts nothing at first.
func TestFlushedWithFullSocket(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		var reported []string
		opts := &Options{Engine: new(Engine), BackpressureLimit: 1 << 20, Flushed: func(_, m, b int) { reported = append(reported, fmt.Sprint(m, b)) }}
		c := &Conn{opts: opts, held: true}
		if sealed {
			c.Seal(tilde, false)
		}
		c.Enqueue(text("a"))
		c.Enqueue(text("b"))
		var j joiner

		for _, share := range []int{0, 2, 1} { // writes 1/share of the data; 0 for nothing
			if !taking(c, &j) {
				t.Fatal("nothing is left")
			}
			b, n := j.bytes(c), 0
			if share > 0 {
				n = len(b) / share
			}
			c.sent(&j, b, n)
			c.tell(&j, n)
		}
		want := []string{"1 3", "1 3"}
		if sealed {
			want = []string{"2 0", "0 4", "0 4"}
		}
		if !slices.Equal(reported, want) {
			t.Errorf("sealed %v: reported %q, want %q", sealed, reported, want)
		}
	}
}

// Clear keeps the other properties of a message.
func TestClearKeepsPolicy(t *testing.T) {
	m := text("x").Under(Latest, "k").Own().Clear()
	if m.policy != Latest || m.key != "k" || !m.own || !m.clear {
		t.Errorf("%+v", m)
	}
	joined := Join(text("a"), text("b").Under(Latest, "k"), text("c")).Clear()
	c := &Conn{opts: &Options{Engine: new(Engine), BackpressureLimit: 1 << 20}, held: true, blocked: true}
	c.Seal(tilde, true) // makes Enqueue split joined messages
	if v := c.Enqueue(joined); v != (Tally{Queued: 3}) {
		t.Errorf("%+v", v)
	}
	if slices.ContainsFunc(c.backlog.waiting(), func(m *Message) bool { return !m.clear }) {
		t.Error("a part would be sealed")
	}
}

// A message that is being written is neither dropped nor replaced, but if the socket did
// not accept it, it can be dropped or replaced again.
func TestMessageBeingWrittenStays(t *testing.T) {
	var c *Conn
	var j joiner
	begin := func() {
		c = &Conn{opts: &Options{Engine: new(Engine), BackpressureLimit: 4 * text("a").cost()}, held: true, blocked: true}
	}
	step := func(words, want string, tally Tally) {
		t.Helper()
		var sum Tally
		for _, word := range strings.Fields(words) {
			sum.add(c.Enqueue(scripted(word)))
		}
		if got := c.names(); got != want || sum != tally {
			t.Fatalf("%q are waiting, want %q: %+v", got, want, sum)
		}
	}
	begin()
	step("a:latest,k", "a", Tally{Queued: 1})
	taking(c, &j)
	step("b:latest,k", "a b", Tally{Queued: 1})
	step("c:latest,k", "a c", Tally{Queued: 1, Dropped: Dropped{Replaced: 1}})
	step("d:oldest e:oldest f:oldest g:oldest", "a d e f g", Tally{Queued: 4, Dropped: Dropped{Oldest: 1}})
	c.sent(&j, j.bytes(c), 0)
	step("h:latest,k", "e f g h", Tally{Queued: 1, Dropped: Dropped{Replaced: 1, Oldest: 1}})
	taking(c, &j)
	c.sent(&j, j.bytes(c), 0)
	step("i:latest,k", "e f g i", Tally{Queued: 1, Dropped: Dropped{Replaced: 1}})
	taking(c, &j)
	step("j:latest,k", "e f g i j", Tally{Queued: 1})
	c.sent(&j, j.bytes(c), len(scripted("e").frame))
	step("k:latest,k", "f g i k", Tally{Queued: 1, Dropped: Dropped{Replaced: 1}}) // i is older than j but was being written

	// This also holds if all messages behind it have been searched already.
	begin()
	step("a:oldest", "a", Tally{Queued: 1})
	taking(c, &j)
	step("b c d e:oldest f:oldest", "a b c d f", Tally{Queued: 5, Dropped: Dropped{Oldest: 1}})
	c.sent(&j, j.bytes(c), 0)
	step("g:oldest", "b c d g", Tally{Queued: 1, Dropped: Dropped{Oldest: 2}})
}

// The parts of joined messages are removed separately, even if they were being written
// before anything had to be removed.
func TestPartsAreRemovedSeparately(t *testing.T) {
	c := &Conn{opts: &Options{Engine: new(Engine), BackpressureLimit: 1 << 20}, held: true}
	var j joiner
	joined := func(words ...string) {
		var parts []*Message
		for _, word := range words {
			parts = append(parts, scripted(word))
		}
		if v := c.Enqueue(Join(parts...)); v.Queued != len(parts) {
			t.Errorf("%+v", v)
		}
	}
	check := func(want string) {
		t.Helper()
		if got := c.names(); got != want {
			t.Errorf("%q are waiting, want %q", got, want)
		}
	}
	joined("a:latest,k", "b:latest,l")
	taking(c, &j)
	joined("c:latest,k", "d:latest,m")
	c.pong([]byte("1"))
	c.blocked = true
	c.Enqueue(scripted("e:latest,m"))
	if got := c.backlog.messages[0].count(); got != 2 {
		t.Errorf("%d messages are being written", got)
	}
	c.sent(&j, j.bytes(c), 0)
	check("a b c 1 e")
	c.pong([]byte("2"))
	check("a b c 2 e")
	c.Enqueue(scripted("f:latest,l"))
	check("a c 2 e f")
	joined("g:latest,k", "h:latest,m")
	check("a 2 f g h")
}

// A worker reports writes together if they begin the same number of messages.
func TestFlushedTogether(t *testing.T) {
	var reported []string
	options := func(name string) *Options {
		return &Options{BackpressureLimit: 1 << 20, Flushed: func(w, m, b int) { reported = append(reported, fmt.Sprint(name, w, m, b)) }}
	}
	one, other := options("one"), options("other")
	j := joiner{shared: true}
	write := func(opts *Options, messages int) {
		c := &Conn{opts: opts, held: true}
		for range messages {
			c.Enqueue(text("a"))
		}
		if !taking(c, &j) {
			t.Fatal("nothing is left")
		}
		b := j.bytes(c)
		c.sent(&j, b, len(b))
		c.tell(&j, len(b))
	}
	for range 3 {
		write(one, 1)
	}
	for range 2 {
		write(one, 2)
	}
	write(other, 2)
	j.report()
	write(other, 2)
	j.forget()
	j.forget()
	if want := []string{"one3 1 9", "one2 2 12", "other1 2 6", "other1 2 6"}; !slices.Equal(reported, want) {
		t.Errorf("reported %q, want %q", reported, want)
	}
}
