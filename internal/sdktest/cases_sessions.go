package sdktest

import "time"

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
