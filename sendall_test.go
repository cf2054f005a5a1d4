package ignis_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/wire"
)

// A relayed message to many targets is in memory only once. The test is not parallel, because it
// measures what all tests allocate.
func TestSendAllSharesData(t *testing.T) {
	longtest.Mark(t)
	n := startMem(t, ignis.Config{})
	data := json.RawMessage(`{"x":"` + strings.Repeat("x", 256<<10) + `"}`)
	posts := make([]ignis.Post, 1000) // 256 MB if each has its own data
	for i := range posts {
		posts[i] = ignis.Post{To: ignis.ToUser(fmt.Sprint("user", i)), Event: "e", Data: data, From: wire.Sender{ID: "c"}}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := n.SendAll(t.Context(), posts...); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
		t.Errorf("SendAll has allocated %d MiB", used>>20)
	}
}

// SendAll has the effects of Send for each message, in order.
func TestSendAll(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newFakeBus()
		var hooked []ignis.SentInfo
		n := startMem(t, ignis.Config{Bus: b, Hooks: ignis.Hooks{Sent: func(i ignis.SentInfo) { hooked = append(hooked, i) }}})
		ann, bob := n.login("ann"), n.login("bob")
		for _, p := range []*peer{ann, bob} {
			if err := n.Join(p.id, "lobby"); err != nil {
				t.Fatal(err)
			}
		}
		lobby := ignis.ToRoom("lobby")
		posts := []ignis.Post{
			{To: lobby, Event: "a", Data: 1},
			{To: lobby, Event: "b", Data: json.RawMessage(`{"x":1}`), Key: "k"},
			{To: lobby, Event: "c", Exclude: []string{ann.id}},
			{To: lobby, Event: "d", Exclude: []string{ann.id}},
			{To: lobby, Event: "e"},
			{To: ignis.ToUser("ann"), Event: "f", Exclude: []string{ann.id}}, // has no effect
			{To: ignis.ToUser("cat"), Event: "g"},
			{To: ignis.To(bob.id), Event: "h"},
			{To: ignis.ToEveryone(), Event: "i", Data: map[string]int{}, From: wire.Sender{ID: "c", UserID: "u"}},
			{To: ignis.ToEveryone(), Event: "j"},
		}
		receipts, err := n.SendAll(t.Context(), posts...)
		if err != nil {
			t.Fatal(err)
		}
		var counts []int
		for _, r := range receipts {
			counts = append(counts, r.Recipients)
		}
		if want := []int{2, 2, 1, 1, 2, 1, 0, 1, 2, 2}; !slices.Equal(counts, want) {
			t.Errorf("recipients %v, want %v", counts, want)
		}
		stamped := `{"event":"i","data":{"from":{"id":"c","userId":"u"}}}`
		ann.only(`{"event":"a","data":1}`, `{"event":"b","data":{"x":1}}`, `{"event":"e"}`, `{"event":"f"}`, stamped, `{"event":"j"}`)
		bob.only(`{"event":"a","data":1}`, `{"event":"b","data":{"x":1}}`, `{"event":"c"}`, `{"event":"d"}`, `{"event":"e"}`, `{"event":"h"}`, stamped, `{"event":"j"}`)
		together := b.take()
		messages := 0
		for _, i := range hooked {
			messages += i.Messages
		}
		if messages != len(posts) || len(hooked) != 8 {
			t.Errorf("hooks %+v", hooked)
		}
		for _, p := range posts {
			if err := n.Send(t.Context(), p.To, p.Event, p.Data, ignis.Except(p.Exclude...), ignis.Key(p.Key), wire.From(p.From)); err != nil {
				t.Fatal(err)
			}
		}
		if single := b.take(); !slices.Equal(together, single) {
			t.Errorf("published %q\nby Send %q", together, single)
		}
		ann.got()
		bob.got()
		if receipts, err := n.SendAll(t.Context()); len(receipts) != 0 || err != nil {
			t.Errorf("without posts: %v, %v", receipts, err)
		}
	})
}

// If a post is invalid, nothing is sent.
func TestSendAllInvalid(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newFakeBus()
		n := startMem(t, ignis.Config{Bus: b, MaxMessage: 1000})
		p := n.login("ann")
		good := ignis.Post{To: ignis.ToEveryone(), Event: "good"}
		for name, bad := range map[string]ignis.Post{
			"no address":   {Event: "x"},
			"no event":     {To: ignis.ToEveryone()},
			"bad data":     {To: ignis.ToEveryone(), Event: "x", Data: json.RawMessage("{")},
			"a large one":  {To: ignis.ToEveryone(), Event: "x", Data: strings.Repeat("x", 1000)},
			"a long key":   {To: ignis.ToEveryone(), Event: "x", Key: strings.Repeat("x", 257)},
			"cannot do it": {To: ignis.ToEveryone(), Event: "x", Data: func() {}},
		} {
			receipts, err := n.SendAll(t.Context(), good, good, bad, good)
			var invalid *ignis.PostError
			if receipts != nil || !errors.As(err, &invalid) || invalid.Index != 2 || !strings.Contains(err.Error(), "message 2") {
				t.Errorf("%s: %v, %v", name, receipts, err)
			}
			if large := name == "a large one"; errors.Is(err, wire.ErrTooLarge) != large {
				t.Errorf("%s: %v", name, err)
			}
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := n.SendAll(ended, good); !errors.Is(err, context.Canceled) {
			t.Errorf("with an ended context: %v", err)
		}
		if _, err := (*ignis.Server)(nil).SendAll(t.Context(), good); !errors.Is(err, ignis.ErrNotRunning) {
			t.Errorf("without a server: %v", err)
		}
		p.only()
		if sent := b.take(); len(sent) > 0 {
			t.Errorf("published %q", sent)
		}
	})
}

// A failure of the bus is reported for each message, after it has been delivered here.
func TestSendAllWithoutTheBus(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newFakeBus()
		noLuck := errors.New("no luck")
		b.refuse = noLuck
		n := startMem(t, ignis.Config{Bus: b})
		p := n.login("ann")
		receipts, err := n.SendAll(t.Context(), ignis.Post{To: ignis.ToEveryone(), Event: "a"}, ignis.Post{To: ignis.ToEveryone(), Event: "b"})
		var failed *ignis.BusError
		if !errors.As(err, &failed) || !errors.Is(err, noLuck) || len(receipts) != 2 {
			t.Fatalf("SendAll = %v, %v", receipts, err)
		}
		for _, r := range receipts {
			if r.Recipients != 1 || !errors.Is(r.Err, noLuck) {
				t.Errorf("receipt %+v", r)
			}
		}
		p.only(`{"event":"a"}`, `{"event":"b"}`)
	})
}
