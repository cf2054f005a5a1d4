package sdktest

import (
	"fmt"
	"slices"
	"time"
)

func delayCases() []Case {
	return []Case{
		newCase("delay-limit", "R7", "reconnect", "waits no longer than the maximum", delayLimit),
		newCase("delay-spread", "R7", "reconnect", "waits for a random time", delaySpread),
		newCase("backoff-grows", "R8 R7", "reconnect", "waits longer and longer if connections do not last", backoffGrows),
		newCase("backoff-reset", "R8", "reconnect", "begins with short delays again after a connection that lasted", backoffReset),
		newCase("close-1013", "R9", "reconnect", "waits for at least 5 s after 1013", func(p *play) { noEarlier(p, 1013) }),
		newCase("close-4007", "R9", "reconnect", "waits for at least 5 s after 4007", func(p *play) { noEarlier(p, 4007) }),
		newCase("close-4008", "R9", "reconnect", "waits after 4008 (2 s of 30 s are checked)", closed4008),
		newCase("draining", "R10", "reconnect", "connects again after retryAfter, counted from the event", draining),
		newCase("draining-lost", "R10", "reconnect", "connects again after retryAfter if the connection is cut", drainingLost),
		newCase("draining-over", "R10", "reconnect", "connects immediately if retryAfter is over", drainingOver),
		newCase("draining-final", "R10 R2", "", "does not connect again after draining and 4006", drainingFinal),
	}
}

// early is how much earlier than required a client may connect: timers of some systems
// count whole milliseconds.
const early = 20 * time.Millisecond

// notBefore waits for the next connection and checks that it comes at least d after from.
func (p *play) notBefore(from time.Time, d time.Duration) *conn {
	c := p.arriveWithin(d + p.patience)
	if after := c.at.Sub(from); after < d-early {
		p.fail(fmt.Sprintf("no new connection before %v", d), fmt.Sprintf("one after %v", after.Round(time.Millisecond)))
	}
	return c
}

// delayed cuts a connection and waits for the next one, which must not come before the
// delay that the client reports. It returns that delay in milliseconds.
func (p *play) delayed(c *conn) (next *conn, millis float64) {
	cut := time.Now()
	c.cut()
	r := p.state("waiting")
	if r.RetryIn == nil {
		p.rule("C1").fail("retryIn in the state waiting", r.String())
	}
	return p.notBefore(cut, time.Duration(*r.RetryIn)*time.Millisecond), *r.RetryIn
}

func delayLimit(p *play) {
	p.begin(options(fields{"minDelay": 50, "maxDelay": 100}))
	c := p.arrive()
	for range 12 { // without the limit, the later delays would be up to 100 s
		var delay float64
		if c, delay = p.delayed(c); delay > 100 {
			p.fail("delays of at most 100 ms", fmt.Sprint(delay))
		}
	}
}

func delaySpread(p *play) {
	const limit, least = 400, 20 // milliseconds
	p.begin(options(fields{"minDelay": limit, "maxDelay": limit}))
	var delays []float64
	c := p.arrive()
	for range 6 {
		var delay float64
		c, delay = p.delayed(c)
		delays = append(delays, delay)
	}
	if slices.Max(delays)-slices.Min(delays) < least {
		p.fail(fmt.Sprintf("random delays from 0 to %d ms", limit), fmt.Sprint(delays))
	}
}

func backoffGrows(p *play) {
	const shortest = 20 // milliseconds
	p.begin(options(fields{"minDelay": shortest, "maxDelay": 1280, "stableAfter": 60_000}))
	c := p.connected()
	for range 12 {
		var delay float64
		if c, delay = p.delayed(c); delay > shortest {
			return // a client that resets the delay never waits so long
		}
		c.admit()
		p.state("connected")
	}
	p.fail("delays that grow while connections do not last", fmt.Sprintf("twelve delays of at most %d ms", shortest))
}

func backoffReset(p *play) {
	const shortest = 20 // milliseconds
	p.begin(options(fields{"minDelay": shortest, "maxDelay": 600_000, "stableAfter": 100}))
	c := p.arrive()
	for range 6 {
		c, _ = p.delayed(c)
	}
	for range 4 {
		c.admit()
		p.state("connected")
		p.rest(absence) // longer than stableAfter
		var delay float64
		// Without a reset, the delay would be up to 1280 ms, then 2560 ms, and so on.
		if c, delay = p.delayed(c); delay > shortest {
			p.fail(fmt.Sprintf("a delay of at most %d ms after a connection that lasted", shortest), fmt.Sprint(delay))
		}
	}
}

func noEarlier(p *play, code int) {
	c := p.session()
	closed := time.Now()
	c.close(code)
	p.notBefore(closed, 5*time.Second)
}

func closed4008(p *play) {
	p.session().close(4008)
	p.noArrival(2 * time.Second)
}

func draining(p *play) {
	c := p.session()
	announced := time.Now()
	c.send("draining", fields{"retryAfter": 900})
	p.rest(100 * time.Millisecond)
	c.close(1001)
	p.notBefore(announced, 900*time.Millisecond)
}

func drainingLost(p *play) {
	c := p.session()
	announced := time.Now()
	c.send("draining", fields{"retryAfter": 900})
	p.rest(100 * time.Millisecond)
	c.cut()
	p.notBefore(announced, 900*time.Millisecond)
}

func drainingOver(p *play) {
	c := p.session(slowly())
	c.send("draining", fields{"retryAfter": 50})
	p.rest(200 * time.Millisecond)
	c.close(1001)
	p.arrive()
}

func drainingFinal(p *play) {
	c := p.session()
	c.send("draining", fields{"retryAfter": 50})
	c.close(4006)
	p.finalState(4006)
}

func aliveCases() []Case {
	return []Case{
		newCase("half-open", "R11", "", "notices that the server is silent", halfOpen),
		newCase("half-open-reconnect", "R11", "reconnect", "connects again if the server is silent", halfOpenReconnect),
		newCase("idle-connection", "R11", "", "keeps a connection without messages whose heartbeats are answered", idleConnection),
		newCase("idle-connection-1", "R11", "", "keeps a connection of protocol 1 without messages", idleConnection1),
		newCase("heartbeat", "R12", "", "sends heartbeats at its interval", heartbeat),
		newCase("heartbeat-server", "R12", "", "sends heartbeats at half of the server's timeout", heartbeatServer),
		newCase("heartbeat-flood", "R12", "", "does not send heartbeats more often than every 100 ms", heartbeatFlood),
		newCase("heartbeat-reconnect", "R12", "reconnect", "does not send heartbeats of earlier connections", heartbeatReconnect),
	}
}

func halfOpen(p *play) {
	const interval = 300 * time.Millisecond
	c := p.session(options(fields{"heartbeat": interval.Milliseconds()}))
	c.mute()
	// Three intervals and time for a machine that is busy.
	p.until(3*interval+1500*time.Millisecond, "the client to close the connection", func() bool { return c.over })
}

func halfOpenReconnect(p *play) {
	p.session(options(fields{"heartbeat": 100})).mute()
	p.connected()
}

func idleConnection(p *play) {
	p.session(options(fields{"heartbeat": 300})).stays(2 * time.Second)
}

func idleConnection1(p *play) {
	p.begin(options(fields{"heartbeat": 300}))
	p.connected(fields{"protocol": nil}).stays(2 * time.Second)
}

// beats waits for n more heartbeats.
func (c *conn) beats(n int) {
	c.p.mu.Lock()
	want := c.heartbeats + n
	c.p.mu.Unlock()
	c.p.soon(fmt.Sprintf("%d heartbeats", n), func() bool { return c.heartbeats >= want })
}

// notBeats checks that there are at most n more heartbeats within d.
func (c *conn) notBeats(n int, d time.Duration) {
	c.p.mu.Lock()
	most := c.heartbeats + n
	c.p.mu.Unlock()
	c.p.never(d, fmt.Sprintf("at most %d heartbeats within %v", n, d), func() string {
		if c.heartbeats <= most {
			return ""
		}
		return "more"
	})
}

func heartbeat(p *play) { p.session(options(fields{"heartbeat": 250})).beats(3) }

func heartbeatServer(p *play) {
	p.begin(options(fields{"heartbeat": 3_600_000}))
	p.connected(fields{"heartbeat": 500}).beats(3)
}

func heartbeatFlood(p *play) {
	p.begin()
	c := p.connected(fields{"heartbeat": 4})
	c.beats(1)
	c.notBeats(15, time.Second) // ten, and some that were late
}

func heartbeatReconnect(p *play) {
	p.begin(options(fields{"heartbeat": 200}))
	for range 10 {
		c := p.connected()
		c.beats(1)
		c.cut()
	}
	c := p.connected()
	c.notBeats(12, time.Second) // five, and some that were late; with old timers 55, or fewer on a busy machine
	c.beats(1)
}
