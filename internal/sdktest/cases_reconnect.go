package sdktest

import "fmt"

func reconnectCases() []Case {
	return []Case{
		newCase("lost", "R1 C1", "", "says that a connection without a close frame was lost", lost),
		newCase("reconnect", "R1", "reconnect", "connects again after any end that is not final", reconnect),
		newCase("close-4004", "R2", "", "does not connect again after 4004", func(p *play) { final(p, 4004) }),
		newCase("close-4006", "R2", "", "does not connect again after 4006", func(p *play) { final(p, 4006) }),
		newCase("close-4006-early", "R2", "", "does not connect again after 4006 before connected", finalEarly),
		newCase("close-client-fault", "R3", "", "does not connect again after codes that say that the client is at fault", clientFault),
		newCase("rejected-fixed", "R4", "", "gives up fixed credentials that are rejected", rejectedFixed),
		newCase("rejected-provider", "R4 R5", "reconnect", "asks the provider once for other credentials and connects immediately", rejectedProvider),
		newCase("rejected-twice", "R4", "reconnect", "gives up if other credentials are rejected, too", rejectedTwice),
		newCase("rejected-later", "R4", "reconnect", "asks for other credentials again after a connection", rejectedLater),
		newCase("provider-each-time", "R5", "reconnect", "asks the provider before every attempt", providerEachTime),
		newCase("expired-provider", "R5", "reconnect", "asks for other credentials after 4005", expiredProvider),
		newCase("expired-fixed", "R5", "reconnect", "uses fixed credentials again after 4005", expiredFixed),
		newCase("provider-fails", "R6", "reconnect", "tries again if the provider fails", providerFails),
		newCase("close-text", "R14", "", "says with which text the server closes the connection", closeText),
		newCase("no-reconnect", "R13", "", "does not connect again if the application does not want it", noReconnect),
	}
}

func lost(p *play) {
	c := p.session(options(fields{"reconnect": false}))
	c.cut()
	if r := p.state("closed"); r.Code != "lost" {
		p.fail(`the code "lost" in the state closed`, r.String())
	}
}

func reconnect(p *play) {
	c := p.session()
	c.cut()
	for _, code := range []int{0, 1000, 1001, 1011, 1012, 3000, 4001, 4002, 4999} {
		c = p.connected()
		c.close(code)
	}
	p.connected()
}

// finalState checks that the client is closed because of a close code, and stays closed.
func (p *play) finalState(code int) report {
	r := p.state("closed")
	if r.Close != code {
		p.fail(fmt.Sprintf("the state closed with closeCode %d", code), r.String())
	}
	p.noArrival(absence)
	return r
}

func final(p *play, code int) {
	p.session().close(code)
	p.finalState(code)
}

func finalEarly(p *play) {
	p.begin()
	p.accept().close(4006)
	p.finalState(4006)
}

func closeText(p *play) {
	p.make(options(fields{"reconnect": false}))
	for _, text := range []string{said, ""} {
		p.connect()
		p.connected().closeFor(4006, text)
		p.wantSaid(p.state("closed"), "", text)
	}
}

func clientFault(p *play) {
	p.make()
	for _, code := range []int{1002, 1003, 1007, 1008, 1009, 1010} {
		p.connect()
		p.connected().close(code)
		p.finalState(code)
	}
}

// reject refuses the credentials of the next attempt, as a server does.
func (p *play) reject(want string) {
	c := p.accept()
	c.auth.wantData(fields{"token": want, "protocol": 2})
	c.clear(`{"event":"error","data":{"message":"Authentication failed"}}`)
	c.close(4003)
}

func (p *play) rejectedState() {
	if r := p.finalState(4003); r.Code != "rejected" {
		p.fail(`the code "rejected"`, r.String())
	}
}

func rejectedFixed(p *play) {
	p.begin(fields{"credentials": token("old")})
	p.reject("old")
	p.rejectedState()
}

// slowly makes delays so long that a client that waits does not connect in time.
func slowly() fields { return options(fields{"minDelay": 3_600_000, "maxDelay": 3_600_000}) }

func rejectedProvider(p *play) {
	p.begin(provided(), slowly())
	p.provide(p.asked("connect"), token("old"))
	p.reject("old")
	p.provide(p.asked("rejected"), token("new"))
	p.connected().auth.wantData(fields{"token": "new", "protocol": 2})
}

func rejectedTwice(p *play) {
	p.begin(provided())
	p.provide(p.asked("connect"), token("old"))
	p.reject("old")
	p.provide(p.asked("rejected"), token("new"))
	p.reject("new")
	p.rejectedState()
	p.notAsked(absence)
}

func rejectedLater(p *play) {
	p.begin(provided())
	p.provide(p.asked("connect"), token("t1"))
	p.reject("t1")
	p.provide(p.asked("rejected"), token("t2"))
	p.connected().cut()
	p.provide(p.asked("connect"), token("t3"))
	p.reject("t3")
	p.provide(p.asked("rejected"), token("t4"))
	p.connected()
}

func providerEachTime(p *play) {
	p.begin(provided())
	for i := range 4 {
		text := fmt.Sprint("t", i)
		p.provide(p.asked("connect"), token(text))
		c := p.accept()
		c.auth.wantData(fields{"token": text, "protocol": 2})
		if i%2 == 0 { // after a connection, and after an attempt
			c.greet()
			p.state("connected")
		}
		c.cut()
	}
}

func expiredProvider(p *play) {
	p.begin(provided())
	p.provide(p.asked("connect"), token("t1"))
	p.connected().close(4005)
	p.provide(p.asked("rejected"), token("t2"))
	p.connected().auth.wantData(fields{"token": "t2", "protocol": 2})
}

func expiredFixed(p *play) {
	c := p.session(fields{"credentials": token("t")})
	c.close(4005)
	p.reject("t")
	p.rule("R4").rejectedState()
}

func providerFails(p *play) {
	p.begin(provided())
	p.provideError(p.asked("connect"))
	p.state("waiting")
	p.provideError(p.asked("connect"))
	p.noArrival(0)
	p.provide(p.asked("connect"), token("t"))
	p.connected().auth.wantData(fields{"token": "t", "protocol": 2})
}

func noReconnect(p *play) {
	p.session(options(fields{"reconnect": false})).close(1001)
	p.finalState(1001)
	p.connect()
	p.connected()
}
