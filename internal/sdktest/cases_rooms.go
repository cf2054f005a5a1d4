package sdktest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

func roomCases() []Case {
	return []Case{
		newCase("join", "M1", "", "joins a room and is joined when the server says so", join),
		newCase("join-refused", "M1", "", "reports that a room was refused, and why", joinRefused),
		newCase("join-denied", "M1", "", "reports that the join was refused as a whole, and why", joinDenied),
		newCase("two-handles", "M2", "rooms", "joins once for two handles and leaves with the last one", twoHandles),
		newCase("leave-and-open", "M3", "rooms", "is in the room that was left and opened again", leaveAndOpen),
		newCase("open-and-leave", "M3", "rooms", "is not in the room that was opened and left", openAndLeave),
		newCase("leave-while-joining", "M3", "rooms", "leaves a room whose join is not answered yet", leaveWhileJoining),
		newCase("open-while-leaving", "M3", "rooms", "joins a room whose leave is not answered yet", openWhileLeaving),
		newCase("rejoin", "M4", "rooms reconnect", "joins the open rooms again, and no others", rejoin),
		newCase("rejoin-refused", "M4", "rooms reconnect", "tries a refused room again after it has connected again", rejoinRefused),
		newCase("join-interrupted", "M5", "rooms reconnect", "joins on the next connection if the first one ends", joinInterrupted),
		newCase("room-messages", "M6", "", "delivers messages once, with room and sender", roomMessages),
		newCase("room-handlers", "M6", "rooms", "calls the handlers of the room of a message", roomHandlers),
		newCase("join-undecided", "M9 R7", "rooms", "asks again for rooms about which the server could not decide", joinUndecided),
		newCase("join-undecided-left", "M9", "rooms", "does not ask again for such a room that was left", joinUndecidedLeft),
		newCase("send-undecided", "M10", "rooms", "does not report forbidden for a message to such a room", sendUndecided),
		newCase("left", "M8", "rooms", "does not call handlers of a handle that has left", left),
	}
}

// joinData is the answer to a join.
func joinData(rooms ...string) fields {
	list := []fields{}
	for _, room := range rooms {
		list = append(list, fields{"room": room})
	}
	return fields{"rooms": list}
}

// join opens a handle, and answers the join.
func (p *play) join(c *conn, room, ref string) {
	p.room(room, ref)
	p.ackJoin(c, room)
	p.joined(ref, "")
}

// ackJoin waits for the join of rooms, in any order and number of messages, and answers.
func (p *play) ackJoin(c *conn, want ...string) {
	for len(want) > 0 {
		m, rooms := c.rooms("join")
		for _, room := range rooms {
			i := slices.Index(want, room)
			if i < 0 {
				p.fail(fmt.Sprintf("a join of %q", want), m.String())
			}
			want = slices.Delete(want, i, i+1)
		}
		c.ack(m, joinData(rooms...))
	}
}

func join(p *play) {
	c := p.session()
	p.room("Räume/1", "r1")
	m, rooms := c.rooms("join")
	if m.ID == "" || len(rooms) != 1 || rooms[0] != "Räume/1" {
		p.fail(`a join of "Räume/1" with an id`, m.String())
	}
	p.never(absence, "the handle not to be joined before the answer", func() string {
		for _, r := range p.reports {
			if r.Joined != "" {
				return r.String()
			}
		}
		return ""
	})
	c.ack(m, joinData("Räume/1"))
	p.joined("r1", "")
	p.leave("r1")
	m, rooms = c.rooms("leave")
	if len(rooms) != 1 || rooms[0] != "Räume/1" {
		p.fail(`a leave of "Räume/1"`, m.String())
	}
	c.ack(m)
}

func joinRefused(p *play) {
	c := p.session()
	p.room("staff", "r1")
	m, _ := c.rooms("join")
	c.ack(m, fields{"rooms": []fields{}, "refused": []fields{{"room": "staff", "code": "forbidden", "message": said}}})
	p.refused("r1", "forbidden", said)
	p.room("empty", "r2")
	m, _ = c.rooms("join")
	c.ack(m, fields{"rooms": []fields{}, "refused": []fields{{"room": "empty", "code": "not_found"}}})
	p.refused("r2", "not_found", "")
	c.stays(0)
}

func joinDenied(p *play) {
	c := p.session()
	p.room("a", "r1")
	m, _ := c.rooms("join")
	c.deny(m, "forbidden")
	p.refused("r1", "forbidden", said)
	c.stays(0)
}

func twoHandles(p *play) {
	c := p.session()
	p.room("a", "r1")
	p.room("a", "r2")
	p.ackJoin(c, "a")
	p.joined("r1", "")
	p.joined("r2", "")
	p.room("a", "r3")
	p.joined("r3", "")
	p.leave("r1")
	p.leave("r3")
	c.quiet(absence)
	p.leave("r2")
	m, _ := c.rooms("leave")
	c.ack(m)
}

// maxChanges is how often a client may join and leave until what it does is absurd.
const maxChanges = 50

// settle answers joins and leaves until there are none for a time, and returns whether the
// client is in the room.
func (p *play) settle(c *conn, in bool) bool {
	for n := 0; p.wait(absence, func() bool { return len(c.messages) > 0 }); n++ {
		if n == maxChanges {
			p.fail(fmt.Sprintf("at most %d joins and leaves", maxChanges), "more")
		}
		p.mu.Lock()
		event := c.messages[0].Event
		p.mu.Unlock()
		if event != "join" && event != "leave" {
			p.fail("joins and leaves", event)
		}
		m, _ := c.rooms(event)
		if in = event == "join"; in {
			c.ack(m, joinData("a"))
		} else {
			c.ack(m)
		}
	}
	return in
}

// settles checks that the client ends up in the room a, or outside.
func (p *play) settles(c *conn, in, want bool) {
	if in = p.settle(c, in); in != want {
		p.fail(fmt.Sprintf("in the room: %v", want), fmt.Sprint(in))
	}
}

func leaveAndOpen(p *play) {
	c := p.session()
	p.join(c, "a", "r1")
	for i := range 5 {
		p.leave(fmt.Sprint("r", i+1))
		p.room("a", fmt.Sprint("r", i+2))
	}
	p.settles(c, true, true)
	p.joined("r6", "")
}

func openAndLeave(p *play) {
	c := p.session()
	for i := range 5 {
		p.room("a", fmt.Sprint("r", i))
		p.leave(fmt.Sprint("r", i))
	}
	p.settles(c, false, false)
}

func leaveWhileJoining(p *play) {
	c := p.session()
	p.room("a", "r1")
	m, _ := c.rooms("join")
	p.leave("r1")
	p.rest(100 * time.Millisecond)
	c.ack(m, joinData("a"))
	p.settles(c, true, false)
}

func openWhileLeaving(p *play) {
	c := p.session()
	p.join(c, "a", "r1")
	p.leave("r1")
	m, _ := c.rooms("leave")
	p.room("a", "r2")
	p.rest(100 * time.Millisecond)
	c.ack(m)
	p.settles(c, false, true)
	p.joined("r2", "")
}

func rejoin(p *play) {
	c := p.session(slowly())
	for i, room := range []string{"a", "b", "c", "d"} {
		p.join(c, room, fmt.Sprint("r", i))
	}
	p.leave("r2")
	m, _ := c.rooms("leave")
	c.ack(m)
	c.cut()
	p.state("waiting")
	p.leave("r3")
	for range 2 {
		p.connect() // after leave
		c = p.connected()
		p.ackJoin(c, "a", "b")
		p.joined("r0", "")
		p.joined("r1", "")
		c.quiet(absence)
		c.cut()
		p.state("waiting")
	}
}

func rejoinRefused(p *play) {
	c := p.session()
	p.room("a", "r1")
	m, _ := c.rooms("join")
	c.deny(m, "forbidden")
	p.joined("r1", "forbidden")
	c.cut()
	p.ackJoin(p.welcome(), "a")
	p.joined("r1", "")
}

func joinInterrupted(p *play) {
	c := p.session()
	p.room("a", "r1")
	c.rooms("join")
	c.cut()
	p.ackJoin(p.welcome(), "a")
	p.joined("r1", "")
}

func roomMessages(p *play) {
	c := p.session()
	p.room("a", "r1")
	p.ackJoin(c, "a")
	p.joined("r1", "")
	c.clear(`{"event":"moved","data":{"x":1},"room":"a","from":{"id":"c9","userId":"bob"}}`)
	m := p.delivered("", "moved", fields{"x": 1})
	if m.Room != "a" || !same(m.From, fields{"id": "c9", "userId": "bob"}) {
		p.fail(`the room "a" and the sender bob`, fmt.Sprintf("room %q, from %s", m.Room, m.From))
	}
	c.send("moved", 2)
	if m := p.delivered("", "moved", 2); m.Room != "" {
		p.fail("no room", m.Room)
	}
}

func roomHandlers(p *play) {
	c := p.session()
	p.join(c, "a", "r1")
	p.join(c, "b", "r2")
	p.room("a", "r3")
	p.joined("r3", "")
	c.sendTo("a", "say", 1)
	c.sendTo("b", "say", 2)
	c.send("say", 3)
	c.sendTo("elsewhere", "say", 4)
	c.sendTo("a", "say", 5)
	for i := range 5 {
		p.delivered("", "say", i+1)
	}
	for _, ref := range []string{"r1", "r3"} {
		p.delivered(ref, "say", 1)
		p.delivered(ref, "say", 5)
	}
	p.delivered("r2", "say", 2)
}

// undecided answers a join of room a: the server could not decide.
func (c *conn) undecided(m *inbound, code string) {
	c.ack(m, fields{"rooms": []fields{}, "refused": []fields{{"room": "a", "code": code, "message": said}}})
}

func joinUndecided(p *play) {
	c := p.session(options(fields{"minDelay": 50, "maxDelay": 100}))
	p.room("a", "r1")
	for _, code := range []string{"unavailable", "rate_limited", "timeout"} {
		m, _ := c.rooms("join")
		c.undecided(m, code)
		p.refused("r1", code, said)
	}
	m, _ := c.rooms("join")
	c.deny(m, "unavailable")
	p.refused("r1", "unavailable", said)
	p.ackJoin(c, "a")
	p.joined("r1", "")
	c.quiet(absence)
}

func joinUndecidedLeft(p *play) {
	c := p.session(options(fields{"minDelay": 200, "maxDelay": 200}))
	p.room("a", "r1")
	m, _ := c.rooms("join")
	c.undecided(m, "unavailable")
	p.refused("r1", "unavailable", said)
	p.leave("r1")
	// The random delay may end before the client knows that the room was left. It knows when it joins
	// another room.
	p.room("b", "r2")
	var joined *inbound
	p.soon("a join of b", func() bool {
		i := slices.IndexFunc(c.messages, func(m *inbound) bool { return m.Event == "join" && strings.Contains(string(m.Data), `"b"`) })
		if i < 0 {
			return false
		}
		joined, c.messages = c.messages[i], c.messages[i+1:]
		return true
	})
	if strings.Contains(string(joined.Data), `"a"`) {
		p.fail("a join of only b", joined.String())
	}
	c.ack(joined, joinData("b"))
	p.never(absence, "no join of a room that was left", func() string {
		for _, m := range c.messages {
			if m.Event == "join" {
				return m.String()
			}
		}
		return ""
	})
}

func sendUndecided(p *play) {
	c := p.session(slowly())
	p.room("a", "r1")
	p.send("s1", 1, fields{"room": "a"})
	m, _ := c.rooms("join")
	c.undecided(m, "unavailable")
	c.deny(c.request("say"), "forbidden")
	if r := p.result("s1"); r.Error != "unavailable" || r.Text != said {
		p.fail(fmt.Sprintf("the error unavailable with the text %q for s1", said), r.String())
	}
}

func left(p *play) {
	c := p.session()
	p.join(c, "a", "r1")
	p.room("a", "r2")
	p.joined("r2", "")
	p.leave("r1")
	p.works(c, "s1") // so that the client has left
	c.sendTo("a", "say", 1)
	p.delivered("r2", "say", 1)
	p.delivered("", "say", 1)
}
