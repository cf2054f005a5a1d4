package sdktest

import (
	"strings"
	"time"
)

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
		newCase("data", "F2", "", "delivers data of any kind unchanged", dataKinds),
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
		fields{}, []any{}, "", "ä\u2028\U0001F600", 0, -1.5, true, false,
		fields{"a": fields{"b": []any{nil, "c"}}}, strings.Repeat("x", 100_000),
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

func encryptionCases() []Case {
	return []Case{
		newCase("encrypted", "E3", "", "seals requests and opens answers and messages", encryptedSession),
		newCase("encrypted-rooms", "E3", "", "seals joins", encryptedRooms),
		newCase("encrypted-new-key", "E1", "reconnect", "uses a new key pair for each attempt", encryptedNewKey),
		newCase("encryption-missing", "E2", "", "refuses a server that does not encrypt", encryptionMissing),
		newCase("encryption-bad-key", "E2", "", "refuses a server key that is not valid", encryptionBadKey),
		newCase("encrypted-clear-message", "E4", "", "ends the connection after an unencrypted message", encryptedClearMessage),
		newCase("encrypted-clear-answer", "E4", "", "does not accept an unencrypted answer", encryptedClearAnswer),
		newCase("encrypted-altered", "E4", "", "ends the connection after a message that cannot be opened", encryptedAltered),
		newCase("encrypted-order", "E5 M7", "", "delivers sealed messages of different sizes in order", encryptedOrder),
		newCase("encrypted-order-sent", "E5 Q4", "", "sends sealed messages of different sizes in order", encryptedOrderSent),
		newCase("encryption-info", "E6", "", "derives the key with the info of the application", encryptionInfo),
	}
}

func encryptedSession(p *play) {
	c := p.session(encrypted(), fields{"credentials": token("t")}, options(fields{"heartbeat": 300}))
	p.send("s1", fields{"text": "secret"})
	m := c.request("say")
	m.wantData(fields{"text": "secret"})
	c.ack(m, "answer")
	p.reply("s1", "answer")
	c.send("say", 1)
	p.delivered("", "say", 1)
	p.send("s2", nil)
	c.deny(c.request("say"), "forbidden")
	p.fails("s2", "forbidden")
	c.beats(2)
}

func encryptedRooms(p *play) {
	c := p.session(encrypted())
	p.room("a", "r1")
	m, _ := c.rooms("join")
	c.ack(m, joinData("a"))
	p.joined("r1", "")
}

func encryptedNewKey(p *play) {
	p.begin(encrypted())
	keys := make(map[string]bool)
	for range 3 {
		c := p.connected()
		if key := string(c.auth.Data); keys[key] {
			p.fail("a publicKey that was not used before", key)
		}
		keys[string(c.auth.Data)] = true
		c.cut()
	}
}

// refusesKey checks that the client closes the connection because it is not encrypted.
func (p *play) refusesKey(c *conn) {
	c.closedWith(1008)
	if r := p.state("closed"); r.Code != "encryption_required" && r.Code != "protocol" {
		p.fail(`the state closed with the code "encryption_required" (or, for an invalid key, "protocol")`, r.String())
	}
	p.noArrival(absence)
}

func encryptionMissing(p *play) {
	p.begin(encrypted())
	c := p.accept()
	c.withoutKey()
	p.refusesKey(c)
}

func encryptionBadKey(p *play) {
	p.make(encrypted())
	for _, key := range []string{"", "AAAA", "!", "BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="} {
		p.connect()
		c := p.accept()
		c.withoutKey(fields{"serverPublicKey": key})
		p.refusesKey(c)
	}
}

func encryptedClearMessage(p *play) {
	c := p.session(encrypted())
	c.clear(`{"event":"say","data":"forged"}`)
	c.closedWith(1008)
	p.notDelivered(0)
}

func encryptedClearAnswer(p *play) {
	c := p.session(encrypted())
	p.send("s1", 1)
	m := c.request("say")
	c.clear(`{"event":"ack","id":"` + m.ID + `","data":"forged"}`)
	c.closedWith(1008)
	if r := p.result("s1"); !r.failed() {
		p.fail("an error for s1", r.String())
	}
}

func encryptedAltered(p *play) {
	c := p.session(encrypted())
	frame := c.key.AppendFrame(nil, []byte(`{"event":"say","data":1}`), nil)
	i := strings.Index(string(frame), `"ct":"`) + len(`"ct":"`)
	if frame[i]++; frame[i] == 'Z'+1 || frame[i] == 'z'+1 || frame[i] == '9'+1 {
		frame[i] = 'A'
	}
	c.clear(string(frame))
	c.closedWith(1008)
	p.notDelivered(0)
}

func encryptedOrder(p *play) {
	const n = 60
	c := p.session(encrypted())
	for i := range n {
		c.send("n", fields{"n": i, "pad": padding(i)})
	}
	c.close(4006)
	p.inOrder(n)
}

// padding makes every third message large, so that opening or sealing it takes longer.
func padding(i int) string {
	if i%3 == 0 {
		return strings.Repeat("x", 60_000)
	}
	return ""
}

func encryptedOrderSent(p *play) {
	const n = 30
	c := p.session(encrypted())
	for i := range n {
		p.send(string(encode(i)), fields{"n": i, "pad": padding(i)})
	}
	for i := range n {
		m := c.request("say")
		if !strings.HasPrefix(string(m.Data), `{"n":`+string(encode(i))+`,`) {
			p.fail("message number "+string(encode(i)), m.String())
		}
		c.ack(m, i)
	}
	for i := range n {
		p.reply(string(encode(i)), i)
	}
}

func encryptionInfo(p *play) {
	c := p.session(encrypted(), fields{"info": "shop-v1"})
	p.send("s1", 1)
	c.ack(c.request("say"))
	p.reply("s1", nil)
}

func sessionCases() []Case {
	return []Case{
		newCase("refresh", "S1", "", "sends refresh with the answer of the provider", refresh),
		newCase("refresh-fixed", "S1", "", "does not refresh fixed credentials", refreshFixed),
		newCase("refresh-once", "S2", "", "refreshes once for each event, and once at a time", refreshOnce),
		newCase("refresh-provider-fails", "S2", "", "keeps the session if the provider fails", refreshProviderFails),
		newCase("refresh-denied", "S2", "", "keeps the session if the server refuses, and does not try again", refreshDenied),
		newCase("wrong-clock", "S3", "", "does not compare times of the server with its clock", wrongClock),
		newCase("refresh-late", "S4", "reconnect", "does not send a late refresh on another connection", refreshLate),
		newCase("draining-works", "S5", "", "works as usual while the server is draining", drainingWorks),
	}
}

// providedSession is session with a provider.
func (p *play) providedSession() *conn {
	p.begin(provided())
	p.provide(p.asked("connect"), token("t1"))
	return p.connected()
}

func (c *conn) expiring() { c.send("expiring", fields{"expires": "2030-01-01T00:00:00.000Z"}) }

func refresh(p *play) {
	c := p.providedSession()
	for _, text := range []string{"t2", "t3"} {
		c.expiring()
		p.provide(p.asked("refresh"), token(text))
		m := c.request("refresh")
		m.wantData(token(text))
		c.ack(m, fields{"expires": "2031-01-01T00:00:00.000Z"})
	}
	c.stays(0)
}

func refreshFixed(p *play) {
	c := p.session(fields{"credentials": token("t")})
	c.expiring()
	c.quiet(absence)
	c.stays(0)
}

func refreshOnce(p *play) {
	c := p.providedSession()
	c.expiring()
	ask := p.asked("refresh")
	c.expiring()
	p.notAsked(absence)
	p.provide(ask, token("t2"))
	c.ack(c.request("refresh"), fields{})
	asks := 0
	for p.wait(absence, func() bool { return p.hasAsk() }) { // a second refresh is allowed
		asks++
		p.provide(p.asked("refresh"), token("t3"))
		c.ack(c.request("refresh"), fields{})
	}
	if asks > 1 {
		p.fail("at most two refreshes for two events", string(encode(asks+1)))
	}
}

// hasAsk reports whether the provider was called. It is called with the lock held.
func (p *play) hasAsk() bool {
	for _, r := range p.reports {
		if r.Asked != "" {
			return true
		}
	}
	return false
}

func refreshProviderFails(p *play) {
	c := p.providedSession()
	c.expiring()
	p.provideError(p.asked("refresh"))
	p.problem()
	c.quiet(absence)
	p.notAsked(0)
	p.send("s1", 1)
	c.ack(c.request("say"))
	p.reply("s1", nil)
}

func refreshDenied(p *play) {
	c := p.providedSession()
	c.expiring()
	p.provide(p.asked("refresh"), token("bad"))
	c.deny(c.request("refresh"), "forbidden")
	p.notAsked(absence)
	c.quiet(0)
	c.stays(0)
	c.close(4005)
	p.problem() // when it is refused, or with the end of the session
}

func wrongClock(p *play) {
	p.make(provided())
	for _, years := range []int{-10, 10} {
		at := time.Now().AddDate(years, 0, 0)
		p.connect()
		p.provide(p.asked("connect"), token("t"))
		c := p.connected(fields{"time": at.UTC().Format(time.RFC3339), "expires": at.Add(time.Minute).UTC().Format(time.RFC3339)})
		c.quiet(absence)
		p.notAsked(0)
		c.stays(0)
		p.close()
		c.ended()
		p.state("closed")
	}
}

func refreshLate(p *play) {
	c := p.providedSession()
	c.expiring()
	late := p.asked("refresh")
	c.cut()
	p.provide(p.asked("connect"), token("t2"))
	c = p.connected()
	p.provide(late, token("late"))
	c.quiet(absence)
	c.stays(0)
}

func drainingWorks(p *play) {
	c := p.session()
	c.send("draining", fields{"retryAfter": 50})
	c.send("say", 1)
	p.delivered("", "say", 1)
	p.send("s1", 1)
	c.ack(c.request("say"), 2)
	p.reply("s1", 2)
	c.stays(absence)
	p.noArrival(0)
}
