package redisbus

import (
	"slices"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/internal/redisconn"
)

func FuzzClusterNodes(f *testing.F) {
	f.Add("id 127.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-5460\nid h:1@2 master,fail - 0 0 2 disconnected 5461-10922\n")
	f.Fuzz(func(t *testing.T, text string) {
		v := readNodes(text)
		if v.reachable > v.masters || v.masters < 0 || len(v.apart) > v.masters {
			t.Fatalf("%q: %+v", text, v)
		}
		for _, a := range v.since(v.apart) {
			if a.addr == "" || a.state == "" || a.quiet < 0 {
				t.Fatalf("%q: %+v", text, a)
			}
		}
	})
}

func TestReadNodes(t *testing.T) {
	v := readNodes(`07c37df 127.0.0.1:30004@31004,host slave e7d1eec 0 1426238317239 4 connected
67ed2db 127.0.0.1:30002@31002 master - 0 1426238316232 2 connected 5461-10922
292f8b3 127.0.0.1:30003@31003 master,fail? - 0 1426238312243 3 connected 10923-16000
6ec2392 127.0.0.1:30005@31005 master,fail - 0 1426238316232 5 disconnected
5c1b4a0 127.0.0.1:30006@31006 master,fail - 0 0 5 disconnected 16001
1f0e9a2 :0@0 master,noaddr - 0 1426238316239 5 disconnected 16002
8aa7001 127.0.0.1:30007@31007 master - 0 1426238317232 5 disconnected 16003-16383
e7d1eec 127.0.0.1:30001@31001 myself,master - 0 0 1 connected 0-5460
`)
	if v.self != "e7d1eec" || v.masters != 6 || v.reachable != 3 {
		t.Errorf("self %s, %d of %d; want 3 of the 6 masters with slots", v.self, v.reachable, v.masters)
	}
	if !v.failed["5c1b4a0"] || v.failed["292f8b3"] {
		t.Errorf("failed: %v; want only nodes that the majority considers failed", v.failed)
	}
	cut := v.since(nil)
	if want := []apart{
		{"292f8b3", "127.0.0.1:30003", "failing", 1426238312243, 4996 * time.Millisecond},
		{"5c1b4a0", "127.0.0.1:30006", "failed", 0, 0},
		{"1f0e9a2", "1f0e9a2", "without an address", 1426238316239, time.Second},
		{"8aa7001", "127.0.0.1:30007", "disconnected", 1426238317232, 7 * time.Millisecond},
	}; !slices.Equal(cut, want) {
		t.Errorf("apart: %+v\nwant   %+v", cut, want)
	}
	// A node with a new connection remains apart until it has answered. A node that was
	// removed from the Cluster does not.
	v = readNodes(`292f8b3 127.0.0.1:30003@31003 master - 0 1426238312243 3 connected 10923-16000
5c1b4a0 127.0.0.1:30006@31006 master - 0 1426238318000 5 connected 16001
8aa7001 127.0.0.1:30007@31007 master - 0 1426238317233 5 connected 16003-16383
`)
	if got := v.since(cut); len(got) != 1 || got[0].id != "292f8b3" || got[0].quiet != 5757*time.Millisecond {
		t.Errorf("still apart: %+v", got)
	}
}

// Nodes are tried in the order of their slots, at the addresses where they were reached, with
// failed and slow ones last.
func TestOrderOfMembers(t *testing.T) {
	f := &finder{notices: notices{cfg: &Config{}}, target: &redisconn.Target{Mode: redisconn.Cluster, Addrs: []string{"seed:1", "a:1"}}}
	f.members = []member{{"A", "a:1", 0, false}, {"B", "b:1", 1, true}, {"C", "c:1", 2, false}}
	l := &link{addr: "c.example:1", self: "C"}
	f.meet(l)
	if got, want := f.order(), []string{"a:1", "c.example:1", "b:1", "seed:1"}; !slices.Equal(got, want) {
		t.Errorf("order %q, want %q", got, want)
	}
	f.slow = "a:1"
	if got, want := f.order(), []string{"c.example:1", "b:1", "seed:1", "a:1"}; !slices.Equal(got, want) {
		t.Errorf("order after a slow node %q, want %q", got, want)
	}
	if got, want := f.ahead(l), []string{"a:1", "seed:1"}; f.rank(l) != 2 || !slices.Equal(got, want) {
		t.Errorf("preferred to the third node: %q, want %q", got, want)
	}
	for _, first := range []*link{{addr: "x:1", self: "A"}, {addr: "a:1"}} {
		if got := f.ahead(first); f.rank(first) != 0 || got != nil {
			t.Errorf("preferred to the first node: %q", got)
		}
	}
	if got := f.rank(&link{addr: "y:1", self: "replica"}); got != 3 {
		t.Errorf("a node that is not a member has rank %d, want 3", got)
	}
	if got := (&finder{notices: notices{cfg: &Config{}}, target: f.target}).order(); !slices.Equal(got, f.target.Addrs) {
		t.Errorf("without members, the order is %q, want the configured one", got)
	}
}

func TestReadMembers(t *testing.T) {
	if got := readMembers([]rueidis.RedisMessage{{}, {}}, "h", nil); len(got) != 0 {
		t.Errorf("from empty entries: %+v", got)
	}
}

// doubts tells when messages may have been missed, and whether this bus's losses are known.
func TestDoubts(t *testing.T) {
	made := time.Now()
	at := func(s int) time.Time { return made.Add(time.Duration(s) * time.Second) }
	d := doubts{made: made}
	if ended := d.update(nil, at(1)); !ended.IsZero() {
		t.Errorf("a period that never started has ended: %v", ended)
	}
	d.update([]apart{{id: "a", quiet: 3 * time.Second}}, at(10))
	d.update([]apart{{id: "a", quiet: 4 * time.Second}, {id: "b"}}, at(11))
	if ended := d.update(nil, at(12)); !ended.Equal(at(7)) || !d.from.IsZero() {
		t.Errorf("the period started at %v, want 3 s before the update", ended)
	}
	d.update([]apart{{id: "a", quiet: time.Hour}}, at(20))
	d.lose(errHungUp)
	if from, lost := d.recover(at(15), 0); !from.Equal(made) || lost != "unknown" {
		t.Errorf("missed since %v, lost %v; want since the link was made, unknown", from, lost)
	}
	d.lose(errHungUp)
	if from, lost := d.recover(at(15), 3); !from.Equal(at(15)) || lost != uint64(3) {
		t.Errorf("missed since %v, lost %v", from, lost)
	}
	d.lose(&astray{errHungUp})
	if _, lost := d.recover(at(15), 0); lost != "unknown" {
		t.Errorf("lost %v after a node that accepts envelopes without delivering them", lost)
	}
}
