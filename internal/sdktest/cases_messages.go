package sdktest

import "strings"

func versionCases() []Case {
	return []Case{
		newCase("protocol-1", "V1", "", "uses protocol 1 unless the server says 2", protocol1),
		newCase("protocol-each-time", "V1", "reconnect", "decides the protocol anew for each connection", protocolEachTime),
		newCase("protocol-1-requests", "V2", "", "sends requests without an id in protocol 1, and they succeed", protocol1Requests),
		newCase("protocol-1-rooms", "V2", "", "joins and leaves rooms in protocol 1", protocol1Rooms),
		newCase("protocol-1-room-data", "V3", "rooms room-data", "names the room in the data in protocol 1", protocol1RoomData),
		newCase("protocol-1-events", "V4", "", "treats events of protocol 2 as messages in protocol 1", protocol1Events),
	}
}

// version1 is a connected event of a server that uses protocol 1.
func version1() fields {
	return fields{"protocol": nil, "heartbeat": nil, "maxPayload": nil, "server": nil}
}

func protocol1(p *play) {
	p.make()
	for _, value := range []any{nil, "2", 1} {
		p.connect()
		c := p.welcome(version1(), fields{"protocol": value})
		if r := p.state("connected"); r.Protocol != 1 {
			p.fail("protocol 1", r.String())
		}
		p.close()
		c.ended()
		p.state("closed")
	}
}

func protocolEachTime(p *play) {
	p.begin()
	for _, version := range []int{1, 2, 1} {
		c := p.welcome(fields{"protocol": version})
		if r := p.state("connected"); r.Protocol != version {
			p.fail("the protocol of this connection", r.String())
		}
		p.send("s", version)
		if m := c.next("say"); version == 2 {
			c.ack(m)
		}
		p.reply("s", nil)
		p.note(func() { delete(p.results, "s") }) // used again
		c.cut()
	}
}

func protocol1Requests(p *play) {
	p.begin()
	c := p.connected(version1())
	p.send("s1", fields{"text": "hi"})
	c.next("say").wantData(fields{"text": "hi"})
	p.reply("s1", nil)
}

func protocol1Rooms(p *play) {
	p.begin()
	c := p.connected(version1())
	p.room("a", "r1")
	if _, rooms := c.rooms("join"); rooms[0] != "a" {
		p.fail("the room a", rooms[0])
	}
	p.joined("r1", "")
	p.leave("r1")
	c.rooms("leave")
}

func protocol1RoomData(p *play) {
	p.begin()
	c := p.connected(version1())
	p.room("a", "r1")
	p.joined("r1", "")
	c.rooms("join")
	p.send("s1", fields{"text": "hi"}, fields{"room": "a"})
	c.next("say").wantData(fields{"text": "hi", "room": "a"})
	p.reply("s1", nil)
	p.send("s2", fields{"room": "b"}, fields{"room": "a"})
	c.next("say").wantData(fields{"room": "b"})
	p.reply("s2", nil)
	c.send("say", fields{"room": "a", "n": 1})
	p.delivered("r1", "say", fields{"room": "a", "n": 1})
	p.delivered("", "say", fields{"room": "a", "n": 1})
	c.send("say", fields{"room": "b"})
	p.delivered("", "say", fields{"room": "b"})
}

func protocol1Events(p *play) {
	p.begin(provided())
	p.provide(p.asked("connect"), token("t"))
	c := p.connected(version1())
	for _, event := range []string{"ack", "expiring", "draining"} {
		c.send(event, fields{"retryAfter": 1, "expires": "2020-01-01T00:00:00Z"})
		p.delivered("", event, nil)
	}
	p.notAsked(absence)
}

func messageCases() []Case {
	return []Case{
		newCase("malformed", "F1", "", "delivers nothing that is not a message", malformed),
		newCase("unknown-fields", "F2", "", "ignores fields that it does not know", unknownFields),
		newCase("events-of-the-protocol", "F3", "", "does not deliver events of the protocol", protocolEvents),
		newCase("error-event", "F3", "", "reports an error event without an id", errorEvent),
		newCase("handler-throws", "F4", "handlers", "is not affected by a handler that throws", handlerThrows),
		newCase("order", "M7", "", "delivers messages in order, and before the end", order),
		newCase("data", "F5", "", "delivers data of any kind unchanged", dataKinds),
	}
}

func malformed(p *play) {
	c := p.session()
	for _, text := range []string{"", "not JSON", `{"event":"say"`, "[]", "5", "null", `"say"`, "{}", `{"event":5}`, `{"event":""}`, `{"event":"say"}}`} {
		c.clear(text)
		c.send("marker", text)
		found := false
		p.soon("the next message or the end of the connection", func() bool {
			for _, r := range p.reports {
				found = found || r.Message != nil
			}
			return found || c.over
		})
		if found {
			p.delivered("", "marker", text)
			continue
		}
		if code := c.ended(); code != 1002 && code != 1007 {
			p.fail("the client to close the connection with 1002 or 1007", string(encode(code)))
		}
		p.soon("the state closed or waiting", func() bool {
			last := p.states[len(p.states)-1]
			return last == "closed" || last == "waiting"
		})
		p.connect()
		c = p.connected()
	}
}

func unknownFields(p *play) {
	p.begin()
	c := p.connected(fields{"region": "eu", "limits": fields{"rooms": 5}})
	c.clear(`{"new":[{}],"event":"say","priority":1,"data":{"a":1},"room":"x","time":null}`)
	if m := p.delivered("", "say", fields{"a": 1}); m.Room != "x" {
		p.fail(`the room "x"`, m.Room)
	}
	p.send("s1", 1)
	m := c.request("say")
	c.clear(`{"event":"ack","took":5,"id":"` + m.ID + `","data":[1]}`)
	p.reply("s1", []int{1})
}

func protocolEvents(p *play) {
	c := p.session()
	c.send("expiring", fields{"expires": "2030-01-01T00:00:00.000Z"})
	c.send("draining", fields{"retryAfter": 1})
	c.clear(`{"event":"ack","id":"unknown","data":1}`)
	c.send("connected", fields{"id": "other", "time": "2030-01-01T00:00:00.000Z"})
	c.send("encrypted", fields{"iv": "AAAA", "ct": "AAAA"})
	c.send("error", fields{"message": "careful"})
	c.send("heartbeats", 1)
	p.delivered("", "heartbeats", 1)
}

func errorEvent(p *play) {
	c := p.session()
	c.send("error", fields{"message": "careful"})
	p.problem()
	p.notDelivered(0)
}

func handlerThrows(p *play) {
	p.make()
	p.tell(fields{"do": "throw", "event": "boom"})
	p.connect()
	c := p.connected()
	c.send("boom", 1)
	p.delivered("", "boom", 1)
	p.problem()
	c.send("say", 2)
	p.delivered("", "say", 2)
	p.send("s1", 1)
	c.ack(c.request("say"))
	p.reply("s1", nil)
}

func order(p *play) {
	const n = 200
	c := p.session()
	for i := range n {
		c.send("n", i)
	}
	c.close(4006)
	p.inOrder(n)
}

// inOrder checks that the messages with the numbers up to n are delivered in order, and
// before the state closed.
func (p *play) inOrder(n int) {
	for i := range n {
		r := p.report("the next message", func(r *report) bool { return r.Message != nil || r.State == "closed" })
		if r.Message == nil || !same(r.Message.Data, i) && !strings.HasPrefix(string(r.Message.Data), `{"n":`+string(encode(i))+`,`) {
			p.fail("message number "+string(encode(i)), r.String())
		}
	}
	p.state("closed")
}

func dataKinds(p *play) {
	c := p.session()
	for _, data := range []any{
		fields{},
		[]any{},
		"", "ä\u2028\U0001F600", 0, -1.5, true, false,
		fields{"a": fields{"b": []any{nil, "c"}}},
		strings.Repeat("x", 100_000),
	} {
		c.send("say", data)
		p.delivered("", "say", data)
		p.send("s", data)
		m := c.request("say")
		m.wantData(data)
		c.ack(m, data)
		p.reply("s", data)
		p.note(func() { delete(p.results, "s") }) // used again
	}
}
