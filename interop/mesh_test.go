package interop

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/redistest"
)

// TestSideBySide makes servers of both kinds on one Redis relay messages of their clients in
// one room, concurrently and in both directions.
func TestSideBySide(t *testing.T) {
	const messages = 200
	redis := redistest.Start(t)
	servers := []*server{
		startServer(t, kindIgnis, redis, settings{}), startServer(t, kindReference, redis, settings{}),
		startServer(t, kindIgnis, redis, settings{}), startServer(t, kindReference, redis, settings{}),
	}
	var clients []*client
	for i, s := range servers {
		clients = append(clients, dial(t, s).login(fmt.Sprint(i), "lobby"))
	}
	var senders sync.WaitGroup
	for _, c := range clients {
		senders.Go(func() {
			for n := range messages {
				c.send(fmt.Sprintf(`{"event":"count","data":{"room":"lobby","n":%d}}`, n))
			}
		})
	}
	senders.Wait()
	for _, c := range clients {
		checkCounts(t, c, clients, messages)
	}
	// Duplicates would arrive before these messages, which pass through all servers.
	for _, from := range clients {
		from.send(`{"event":"end","data":{"room":"lobby"}}`)
		for _, c := range clients {
			c.expect(`{"event":"end","data":{"room":"lobby","from":{"id":"` + from.id + `","userId":"` + from.user + `"}}}`)
		}
	}
}

// checkCounts checks that c receives the numbers from 0 to n-1 from each sender, in order.
func checkCounts(t *testing.T, c *client, senders []*client, n int) {
	t.Helper()
	next := make(map[string]int, len(senders))
	for range len(senders) * n {
		line := c.next()
		var m struct {
			Event string
			Data  struct {
				N    int
				From struct{ ID string }
			}
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil || m.Event != "count" {
			t.Fatalf("client of server %s got %s", c.user, line)
		}
		if m.Data.N != next[m.Data.From.ID] {
			t.Fatalf("client of server %s got %s, want number %d", c.user, line, next[m.Data.From.ID])
		}
		next[m.Data.From.ID]++
	}
	for _, from := range senders {
		if next[from.id] != n {
			t.Errorf("client of server %s got %d messages from %s, want %d", c.user, next[from.id], from.user, n)
		}
	}
}

// TestSendAcross makes a server of each kind send to clients of both, in every possible way.
func TestSendAcross(t *testing.T) {
	redis := redistest.Start(t)
	ours, oursServer := startLibrary(t, redis, settings{})
	theirs := startServer(t, kindReference, redis, settings{})
	here, there := dial(t, oursServer).login("ann", "lobby"), dial(t, theirs).login("ann", "lobby")
	outside := dial(t, theirs).login("bob")

	send := func(destination, topic string, data any) {
		t.Helper()
		theirs.call("send", options{"destination": destination, "payload": options{"topic": topic, "data": data}})
	}
	both, one, all := []*client{here, there}, []*client{there}, []*client{here, there, outside}
	for _, step := range []struct {
		event   string
		send    func(event string)
		reaches []*client
	}{
		{"ours to a room", func(e string) { ours.send(ignis.ToRoom("lobby"), e, 1) }, both},
		{"ours to a room but one", func(e string) { ours.send(ignis.ToRoom("lobby"), e, 1, here.id) }, one},
		{"ours to a room but the other", func(e string) { ours.send(ignis.ToRoom("lobby"), e, 1, there.id) }, both[:1]},
		{"ours to a user", func(e string) { ours.send(ignis.ToUser("ann"), e, 1) }, both},
		{"ours to a client there", func(e string) { ours.send(ignis.ToClient(there.id), e, 1) }, one},
		{"ours to an id there", func(e string) { ours.send(ignis.To(there.id), e, 1) }, one},
		{"ours to an id here", func(e string) { ours.send(ignis.To(here.id), e, 1) }, both[:1]},
		{"ours to all", func(e string) { ours.send(ignis.ToEveryone(), e, 1) }, all},
		{"ours to all but two", func(e string) { ours.send(ignis.ToEveryone(), e, 1, here.id, outside.id) }, one},
		{"theirs to a room", func(e string) { send("lobby", e, 1) }, both},
		{"theirs to an id here", func(e string) { send(here.id, e, 1) }, both[:1]},
		{"theirs to an id there", func(e string) { send(there.id, e, 1) }, one},
		{"theirs to all", func(e string) { theirs.call("send", options{"payload": options{"topic": e, "data": 1}}) }, all},
	} {
		step.send(step.event)
		for _, c := range step.reaches {
			c.expect(`{"event":"` + step.event + `","data":1}`)
		}
	}
	// Surplus messages would arrive before these.
	for _, e := range []string{"end of ours", "end of theirs"} {
		if strings.HasSuffix(e, "ours") {
			ours.send(ignis.ToEveryone(), e, 1)
		} else {
			theirs.call("send", options{"payload": options{"topic": e, "data": 1}})
		}
		for _, c := range all {
			c.expect(`{"event":"` + e + `","data":1}`)
		}
	}
}

// TestServerEnvelopes checks that servers of both kinds publish the same envelopes,
// byte for byte except for the server's ID.
func TestServerEnvelopes(t *testing.T) {
	redis := redistest.Start(t)
	published := newTap(t, redis)
	ours, oursServer := startLibrary(t, redis, settings{})
	theirs := startServer(t, kindReference, redis, settings{})
	here, there := dial(t, oursServer).login("ann", "lobby"), dial(t, theirs).login("bob", "lobby")
	published.next() // the fence of bob's login

	for _, to := range []string{"", "lobby", "<client>", "nobody"} {
		want := published.after(there.id, func() {
			theirs.call("send", options{"destination": strings.ReplaceAll(to, "<client>", there.id), "payload": options{"topic": "e", "data": json.RawMessage(odd)}})
		})
		destination := ignis.To(strings.ReplaceAll(to, "<client>", here.id))
		if to == "" {
			destination = ignis.ToEveryone()
		}
		got := published.after(here.id, func() { ours.send(destination, "e", json.RawMessage(odd)) })
		if got != want {
			t.Errorf("to %q\ngot  %s\nwant %s", to, got, want)
		}
		if !slices.Contains([]string{"ws:broadcast", "ws:room:lobby", "ws:client:<client>", "ws:room:nobody"}, strings.Fields(got)[0]) {
			t.Errorf("to %q: got %s", to, got)
		}
	}
}

// after calls do and returns what is published next, with all IDs replaced.
func (p tap) after(client string, do func()) string {
	p.t.Helper()
	do()
	line := strings.ReplaceAll(p.next(), client, "<client>")
	return uuids.ReplaceAllString(line, "<server>")
}
