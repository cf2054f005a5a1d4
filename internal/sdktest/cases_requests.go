package sdktest

import (
	"fmt"
	"strings"
)

func requestCases() []Case {
	return []Case{
		newCase("request", "Q2", "", "returns the reply of the server", request),
		newCase("request-denied", "Q2", "", "returns the code and the text of the server", requestDenied),
		newCase("request-ids", "Q1", "reconnect", "does not use an id twice", requestIDs),
		newCase("answered-twice", "Q2", "", "ends a request once if the server answers twice", answeredTwice),
		newCase("answers-out-of-order", "Q3", "", "matches answers by id", outOfOrder),
		newCase("unknown-answer", "Q3", "", "ignores answers to requests that it does not know", unknownAnswer),
		newCase("request-order", "Q4", "", "sends requests in order", requestOrder),
		newCase("request-timeout", "Q5", "", "fails with timeout and keeps the connection", requestTimeout),
		newCase("request-timeout-default", "Q5", "", "has a timeout for all requests", requestTimeoutDefault),
		newCase("stalled-server", "Q5", "", "fails with timeout if the server has stopped reading", stalledServer),
		newCase("request-lost", "Q6", "", "fails with lost if the connection ends", requestLost),
		newCase("request-lost-code", "Q6", "", "fails with lost if the server closes the connection", requestLostCode),
		newCase("lost-not-repeated", "Q6", "reconnect", "does not send a lost request again", lostNotRepeated),
		newCase("retry", "Q7", "reconnect buffer retry", "sends a request with retry again, before newer ones", retry),
		newCase("too-large", "Q11", "", "does not send a message that is too large", tooLarge),
		newCase("too-large-sealed", "Q11 E3", "", "measures a message when it is sealed", tooLargeSealed),
		newCase("volatile", "Q12", "volatile", "sends volatile messages without an id", volatile),
		newCase("volatile-dropped", "Q12", "volatile reconnect", "drops volatile messages while it is not connected", volatileDropped),
		newCase("cancel", "Q13", "", "ends a request that is cancelled", cancel),
		newCase("close-ends-requests", "Q14", "", "ends requests with closed", closeEndsRequests),
		newCase("final-ends-requests", "Q14 Q6", "", "ends all requests when connecting again cannot help", finalEndsRequests),
		newCase("storm", "Q2 M4", "reconnect buffer rooms", "ends every request once and joins again through 25 lost connections", storm),
	}
}

func request(p *play) {
	c := p.session()
	for i, data := range []any{nil, fields{"a": 1}, "text", 5, []int{}} {
		ref := fmt.Sprint("s", i)
		p.send(ref, data)
		m := c.request("say")
		if data == nil {
			c.ack(m)
		} else {
			m.wantData(data)
			c.ack(m, data)
		}
		p.reply(ref, data)
	}
	p.send("s9", 1, fields{"room": "a", "event": "move"})
	m := c.request("move")
	if m.Room != "a" {
		p.fail(`the room "a"`, m.String())
	}
	c.ack(m)
	p.reply("s9", nil)
}

func requestDenied(p *play) {
	c := p.session()
	for i, code := range []string{"invalid", "forbidden", "unknown_event", "not_found", "rate_limited", "unavailable", "internal"} {
		ref := fmt.Sprint("s", i)
		p.send(ref, 1)
		c.deny(c.request("say"), errorCode(code))
		if r := p.result(ref); r.Error != code || r.Text != said {
			p.fail(fmt.Sprintf("the error %q with the text %q for %s", code, said, ref), r.String())
		}
	}
	c.stays(0)
}

func requestIDs(p *play) {
	p.begin()
	ids := make(map[string]bool)
	for i := range 3 {
		c := p.connected()
		for j := range 10 {
			ref := fmt.Sprint("s", i, "-", j)
			p.send(ref, j)
			m := c.request("say")
			if ids[m.ID] {
				p.fail("an id that was not used before", m.String())
			}
			ids[m.ID] = true
			c.ack(m)
			p.reply(ref, nil)
		}
		c.cut()
	}
}

func answeredTwice(p *play) {
	c := p.session()
	p.send("s1", 1)
	m := c.request("say")
	c.ack(m, "first")
	c.ack(m, "second")
	c.deny(m, "internal")
	p.reply("s1", "first")
	p.noResult(absence, "s1")
	p.notDelivered(0)
	c.stays(0)
}

func outOfOrder(p *play) {
	c := p.session()
	p.send("s1", 1)
	p.send("s2", 2)
	m1, m2 := c.request("say"), c.request("say")
	c.ack(m2, "second")
	c.ack(m1, "first")
	p.reply("s1", "first")
	p.reply("s2", "second")
}

func unknownAnswer(p *play) {
	c := p.session()
	p.send("s1", 1)
	m := c.request("say")
	c.clear(`{"event":"ack","id":"nobody","data":1}`)
	c.clear(`{"event":"error","id":"nobody","data":{"message":"?","code":"internal"}}`)
	c.clear(`{"event":"ack","data":1}`)
	p.noResult(absence, "s1")
	c.ack(m, "reply")
	p.reply("s1", "reply")
	p.notDelivered(0)
}

func requestOrder(p *play) {
	const n = 50
	c := p.session()
	for i := range n {
		p.send(fmt.Sprint("s", i), i)
	}
	for i := range n {
		m := c.request("say")
		m.wantData(i)
		c.ack(m, i)
	}
	for i := range n {
		p.reply(fmt.Sprint("s", i), i)
	}
}

// works checks that requests are answered.
func (p *play) works(c *conn, ref string) {
	p.send(ref, "works", fields{"timeout": 10_000})
	m := c.request("say")
	m.wantData("works")
	c.ack(m)
	p.reply(ref, nil)
}

func requestTimeout(p *play) {
	c := p.session()
	p.send("s1", 1, fields{"timeout": 150})
	m := c.request("say")
	p.fails("s1", "timeout")
	c.ack(m)
	p.works(c, "s2")
	p.noResult(0, "s1")
}

func requestTimeoutDefault(p *play) {
	c := p.session(options(fields{"requestTimeout": 150}))
	p.send("s1", 1)
	c.request("say")
	p.fails("s1", "timeout")
	p.works(c, "s2")
}

func stalledServer(p *play) {
	c := p.session()
	c.stall()
	p.send("s1", strings.Repeat("x", 100_000), fields{"timeout": 300})
	p.fails("s1", "timeout")
}

func requestLost(p *play) {
	c := p.session()
	p.send("s1", 1)
	c.request("say")
	c.cut()
	p.fails("s1", "lost")
}

func requestLostCode(p *play) {
	c := p.session()
	p.send("s1", 1)
	c.request("say")
	c.close(1001)
	p.fails("s1", "lost")
}

func lostNotRepeated(p *play) {
	c := p.session()
	p.send("s1", 1)
	c.request("say")
	c.cut()
	p.fails("s1", "lost")
	p.connected().quiet(absence)
}

func retry(p *play) {
	c := p.session()
	p.send("s1", 1, fields{"retry": true})
	p.send("s2", 2, fields{"retry": true})
	ids := []string{c.request("say").ID, c.request("say").ID}
	c.cut()
	p.state("waiting")
	p.send("s3", 3)
	c = p.connected()
	c.repeated(ids)
	c.next("say").wantData(3)
	c.cut()
	p.rule("Q6").fails("s3", "lost")
	c = p.connected()
	p.rule("Q7")
	for i, m := range c.repeated(ids) {
		c.ack(m, i)
	}
	p.reply("s1", 0)
	p.reply("s2", 1)
}

// repeated waits for requests with these ids and the data 1, 2 and so on.
func (c *conn) repeated(ids []string) (requests []*inbound) {
	for i, id := range ids {
		m := c.request("say")
		m.wantData(i + 1)
		if m.ID != id {
			c.p.fail("the same id "+id, m.String())
		}
		requests = append(requests, m)
	}
	return requests
}

// limited is a connected event with a small maxPayload.
func limited() fields { return fields{"maxPayload": 1000} }

func tooLarge(p *play) {
	p.begin()
	c := p.connected(limited())
	p.send("s1", strings.Repeat("x", 1000))
	p.fails("s1", "too_large")
	p.send("s2", strings.Repeat("ä", 600)) // 1200 bytes
	p.fails("s2", "too_large")
	p.works(c, "s3") // so that anything that was sent before has arrived
	c.stays(0)
}

func tooLargeSealed(p *play) {
	p.begin(encrypted())
	c := p.connected(limited())
	p.send("s1", strings.Repeat("x", 850))
	p.fails("s1", "too_large")
	p.works(c, "s2")
}

func volatile(p *play) {
	c := p.session()
	p.send("s1", 1, fields{"volatile": true})
	m := c.next("say")
	if m.ID != "" {
		p.fail("no id", m.String())
	}
	p.reply("s1", nil)
}

func volatileDropped(p *play) {
	p.make(slowly())
	p.send("s1", 1, fields{"volatile": true})
	p.reply("s1", nil)
	p.connect()
	c := p.connected()
	c.quiet(absence)
	c.cut()
	p.state("waiting")
	p.send("s2", 1, fields{"volatile": true})
	p.reply("s2", nil)
	p.connect()
	p.connected().quiet(absence)
}

func (p *play) cancel(ref string) { p.tell(fields{"do": "cancel", "ref": ref}) }

func cancel(p *play) {
	c := p.session()
	p.send("s1", 1)
	m := c.request("say")
	p.cancel("s1")
	p.fails("s1", "aborted")
	c.ack(m)
	p.works(c, "s2")
	p.noResult(0, "s1")
}

func closeEndsRequests(p *play) {
	c := p.session()
	p.send("s1", 1)
	c.request("say")
	p.close()
	p.fails("s1", "closed")
	p.state("closed")
	p.send("s2", 1)
	p.fails("s2", "closed")
	p.noArrival(0)
}

func finalEndsRequests(p *play) {
	c := p.session()
	p.send("s1", 1)
	c.request("say")
	c.close(4006)
	if r := p.result("s1"); !r.failed() {
		p.fail("an error for s1", r.String())
	}
	p.state("closed")
	p.send("s2", 1)
	if r := p.result("s2"); !r.failed() {
		p.fail("an error for s2", r.String())
	}
}
