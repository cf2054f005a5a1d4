package sdktest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ignis-go/ignis/wire"
)

func bufferCases() []Case {
	return []Case{
		newCase("buffer", "Q8 Q4", "buffer", "sends requests that were made before it was connected, in order", buffer),
		newCase("buffer-reconnect", "Q8 Q4", "buffer reconnect", "sends requests that were made while it waited, in order", bufferReconnect),
		newCase("buffer-after-join", "Q8 M4", "buffer rooms", "joins rooms before it sends requests", bufferAfterJoin),
		newCase("buffer-full", "Q9", "buffer", "refuses requests that do not fit", bufferFull),
		newCase("buffer-drop-oldest", "Q9", "buffer", "drops the oldest requests if it is told to", bufferDropOldest),
		newCase("buffer-bytes", "Q9", "buffer", "limits the bytes that wait", bufferBytes),
		newCase("buffer-expired", "Q10", "buffer", "does not send requests that waited too long", bufferExpired),
		newCase("buffer-too-large", "Q11", "buffer reconnect", "does not send a request that is too large, however often it connects", bufferTooLarge),
		newCase("buffer-cancel", "Q13", "buffer", "does not send a request that was cancelled while it waited", bufferCancel),
		newCase("buffer-close", "Q14", "buffer", "ends requests that wait when it is closed", bufferClose),
		newCase("buffer-final", "Q14", "buffer", "ends requests that wait when connecting again cannot help", bufferFinal),
	}
}

// errorCode converts a code.
func errorCode(code string) wire.ErrorCode { return wire.ErrorCode(code) }

// inOrderSent checks that the next requests have the data from first to last, and answers
// them.
func (p *play) inOrderSent(c *conn, first, last int) {
	for i := first; i <= last; i++ {
		m := c.request("say")
		m.wantData(i)
		c.ack(m, i)
		p.reply(fmt.Sprint("s", i), i)
	}
}

// sends sends requests with the data from first to last.
func (p *play) sends(first, last int) {
	for i := first; i <= last; i++ {
		p.send(fmt.Sprint("s", i), i)
	}
}

func buffer(p *play) {
	p.make()
	p.sends(1, 5)
	p.connect()
	p.sends(6, 10)
	c := p.accept()
	p.sends(11, 15)
	c.greet()
	p.sends(16, 20)
	p.inOrderSent(c, 1, 20)
}

func bufferReconnect(p *play) {
	p.session().cut()
	p.state("waiting")
	p.sends(1, 5)
	c := p.welcome()
	p.sends(6, 10)
	p.inOrderSent(c, 1, 10)
}

func bufferAfterJoin(p *play) {
	p.make()
	p.send("s1", 1)
	p.room("a", "r1")
	p.connect()
	c := p.welcome()
	m, _ := c.rooms("join")
	c.ack(m, joinData("a"))
	p.inOrderSent(c, 1, 1)
}

func bufferFull(p *play) {
	p.make(options(fields{"bufferMessages": 3}))
	p.sends(1, 5)
	p.fails("s4", "buffer_full")
	p.fails("s5", "buffer_full")
	p.connect()
	c := p.welcome()
	p.inOrderSent(c, 1, 3)
	p.sends(6, 6)
	p.inOrderSent(c, 6, 6)
}

func bufferDropOldest(p *play) {
	p.make(options(fields{"bufferMessages": 3, "bufferPolicy": "drop-oldest"}))
	p.sends(1, 5)
	p.fails("s1", "buffer_full")
	p.fails("s2", "buffer_full")
	p.connect()
	p.inOrderSent(p.welcome(), 3, 5)
}

func bufferBytes(p *play) {
	p.make(options(fields{"bufferBytes": 3000}))
	p.send("large", strings.Repeat("x", 2000))
	p.send("larger", strings.Repeat("ä", 1000))
	p.fails("larger", "buffer_full")
	p.connect()
	c := p.welcome()
	c.ack(c.request("say"))
	p.reply("large", nil)
}

func bufferExpired(p *play) {
	p.make(options(fields{"expiresAfter": 150}))
	p.send("s1", 1)
	p.fails("s1", "expired")
	p.connect()
	p.works(p.connected(), "s2")
}

func bufferTooLarge(p *play) {
	p.make()
	p.send("large", strings.Repeat("x", 1000))
	p.sends(1, 2)
	p.connect()
	c := p.welcome(limited())
	p.fails("large", "too_large")
	p.inOrderSent(c, 1, 2)
	c.cut()
	p.works(p.welcome(limited()), "s3")
}

func bufferCancel(p *play) {
	p.make()
	p.sends(1, 3)
	p.cancel("s2")
	p.fails("s2", "aborted")
	p.connect()
	c := p.welcome()
	p.inOrderSent(c, 1, 1)
	p.inOrderSent(c, 3, 3)
}

func bufferClose(p *play) {
	p.begin()
	c := p.accept()
	p.sends(1, 2)
	p.close()
	p.fails("s1", "closed")
	p.fails("s2", "closed")
	c.ended()
	p.connect()
	p.connected().quiet(absence)
}

func bufferFinal(p *play) {
	p.begin()
	c := p.accept()
	p.sends(1, 1)
	p.rest(absence / 3)
	c.close(4006)
	if r := p.result("s1"); !r.failed() {
		p.fail("an error for s1", r.String())
	}
	p.connect()
	p.connected().quiet(absence)
}

// storm cuts connections at many moments and counts what becomes of the requests.
func storm(p *play) {
	const rounds, each = 25, 8
	p.begin()
	p.room("a", "r1")
	n := 0
	var pending []string
	for round := range rounds {
		c := p.welcome()
		m, _ := c.rooms("join")
		c.ack(m, joinData("a"))
		p.rule("M4").joined("r1", "")
		for range each {
			n++
			pending = append(pending, fmt.Sprint("s", n))
			p.send(fmt.Sprint("s", n), n)
		}
		for range round % (each + 1) { // answers some of them
			c.ack(c.request("say"), "done")
		}
		c.cut()
	}
	c := p.welcome()
	m, _ := c.rooms("join")
	c.ack(m, joinData("a"))
	p.joined("r1", "")
	p.rule("Q2")
	done := false
	for !done {
		p.soon("a result for every request", func() bool {
			done = !slices.ContainsFunc(pending, func(ref string) bool { return !p.results[ref] })
			return done || len(c.messages) > 0
		})
		if !done {
			c.ack(c.request("say"), "done")
		}
	}
	for _, ref := range pending {
		if r := p.result(ref); r.Error != "" && r.Error != "lost" || r.Error == "" && !same(r.Data, "done") {
			p.fail(`the reply "done" or the error "lost"`, r.String())
		}
	}
}
