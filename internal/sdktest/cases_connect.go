package sdktest

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/ignis-go/ignis/wire"
)

func connectCases() []Case {
	return []Case{
		newCase("idle", "C1", "", "does not connect before it is told to", idle),
		newCase("states", "C1", "", "reports each state once and in order", states),
		newCase("states-reconnect", "C1", "reconnect", "reports each state once and in order when it connects again", statesReconnect),
		newCase("authenticate", "C2", "", "sends the credentials with the fields of the protocol", authenticate),
		newCase("authenticate-own-fields", "C2", "", "does not replace fields of the credentials", authenticateOwnFields),
		newCase("authenticate-anonymous", "C2 C4", "", "authenticates without credentials", authenticateAnonymous),
		newCase("nothing-early", "C3", "buffer rooms", "sends nothing between authenticate and connected", nothingEarly),
		newCase("connected", "C4", "", "is connected when it has received connected", connectedState),
		newCase("connect-timeout", "C5", "", "gives up an attempt that the server does not answer", connectTimeout),
		newCase("connect-timeout-handshake", "C5", "", "gives up an attempt without an HTTP response", connectTimeoutHandshake),
		newCase("connect-timeout-provider", "C5", "reconnect", "gives up an attempt whose provider does not return", connectTimeoutProvider),
		newCase("connect-twice", "C6", "", "has one connection, however often it is told to connect", connectTwice),
		newCase("connect-while-waiting", "C6", "reconnect", "connects immediately if it is told to while it waits", connectWhileWaiting),
		newCase("refused-login", "C10", "", "says with which text and code the server refuses it", refusedLogin),
		newCase("refused-login-later", "C10", "", "says why the server does not accept it now", refusedLoginLater),
		newCase("refused-login-once", "C10", "reconnect", "does not confuse an earlier refusal with the reason of an end", refusedLoginOnce),
		newCase("refused-http", "C9", "reconnect", "connects again after an HTTP error", refusedHTTP),
		newCase("refused-tcp", "C9", "reconnect", "connects again after the end of the connection during the handshake", refusedTCP),
	}
}

func idle(p *play) {
	p.make()
	p.noArrival(absence)
}

// wantStates checks all states that were reported.
func (p *play) wantStates(want ...string) {
	p.mu.Lock()
	got := slices.Clone(p.states)
	p.mu.Unlock()
	if !slices.Equal(got, want) {
		p.fail(fmt.Sprintf("the states %q", want), fmt.Sprintf("%q", got))
	}
}

func states(p *play) {
	p.session()
	p.wantStates("connecting", "connected")
	p.close()
	p.state("closed")
	p.wantStates("connecting", "connected", "closed")
	p.connect()
	p.connected()
	p.wantStates("connecting", "connected", "closed", "connecting", "connected")
}

func statesReconnect(p *play) {
	p.session().cut()
	if r := p.state("waiting"); r.RetryIn == nil || *r.RetryIn < -1 || *r.RetryIn > 60 {
		p.fail("retryIn from 0 to 60 in the state waiting", r.String())
	}
	p.connected()
	p.wantStates("connecting", "connected", "waiting", "connecting", "connected")
}

// wantData checks the data of a message.
func (m *inbound) wantData(want any) {
	if !same(m.Data, want) {
		m.c.p.fail("the data "+string(encode(want)), m.String())
	}
}

func authenticate(p *play) {
	p.begin(fields{
		"credentials": fields{"type": "Bearer", "token": "ä\u2028\"", "more": []any{1, nil, fields{"a": true}}},
		"software":    fields{"name": "shop", "version": "1.4"},
	})
	p.accept().auth.wantData(fields{
		"type": "Bearer", "token": "ä\u2028\"", "more": []any{1, nil, fields{"a": true}},
		"protocol": 2, "client": fields{"name": "shop", "version": "1.4"},
	})
}

func authenticateOwnFields(p *play) {
	own := fields{"protocol": 1, "client": "mine"}
	p.begin(fields{"credentials": own, "software": fields{"name": "shop"}})
	p.accept().auth.wantData(own)
}

func authenticateAnonymous(p *play) {
	p.begin()
	c := p.accept()
	c.auth.wantData(fields{"protocol": 2})
	c.greet(fields{"userId": nil})
	if r := p.rule("C4").state("connected"); r.UserID != "" {
		p.fail("no userId of an anonymous client", r.String())
	}
}

func nothingEarly(p *play) {
	p.begin()
	c := p.accept()
	p.room("a", "r1")
	p.send("s1", 1)
	c.quiet(absence)
	c.greet()
	c.some() // the join or the request: M4 is for other cases
}

func connectedState(p *play) {
	p.begin()
	c := p.accept()
	p.noState(absence, "connected")
	c.greet(fields{"id": "id-7", "userId": "bob"})
	if r := p.state("connected"); r.ID != "id-7" || r.UserID != "bob" || r.Protocol != 2 {
		p.fail(`the id "id-7", the userId "bob" and protocol 2`, r.String())
	}
}

func connectTimeout(p *play) {
	p.begin(options(fields{"connectTimeout": 1500}))
	p.accept().ended()
	p.noState(0, "connected")
}

func connectTimeoutHandshake(p *play) {
	p.begin(options(fields{"connectTimeout": 200}))
	c := p.arrive()
	c.ignore()
	p.soon("the client to close the connection", func() bool { return c.over })
}

func connectTimeoutProvider(p *play) {
	p.begin(provided(), options(fields{"connectTimeout": 1500}))
	p.asked("connect")
	p.state("waiting")
	p.provide(p.asked("connect"), token("t"))
	p.connected().auth.wantData(fields{"token": "t", "protocol": 2})
}

func connectTwice(p *play) {
	p.make()
	for range 3 {
		p.connect()
	}
	c := p.accept()
	p.connect()
	p.noArrival(absence)
	c.greet()
	p.state("connected")
	p.connect()
	p.noArrival(absence)
	c.stays(0)
}

func connectWhileWaiting(p *play) {
	c := p.session(options(fields{"minDelay": 3_600_000, "maxDelay": 3_600_000}))
	c.cut()
	p.state("waiting")
	p.connect()
	p.connected()
}

// wantSaid checks what the server has said, with its code or "".
func (p *play) wantSaid(r report, code wire.ErrorCode, text string) {
	if r.Server != string(code) || r.Text != text {
		p.fail(fmt.Sprintf("the serverCode %q and the text %q", code, text), r.String())
	}
}

func refusedLogin(p *play) {
	p.begin(fields{"credentials": token("t")})
	p.accept().turnAway(wire.CodeForbidden, wire.CloseAuthFailed)
	r := p.state("closed")
	if r.Code != "rejected" || r.Close != int(wire.CloseAuthFailed) {
		p.fail(`the code "rejected" and the closeCode 4003`, r.String())
	}
	p.wantSaid(r, wire.CodeForbidden, said)
	p.never(0, "no error that belongs to no call", p.problems)
}

func refusedLoginLater(p *play) {
	p.begin(options(fields{"reconnect": false}))
	p.accept().turnAway(wire.CodeRateLimited, wire.CloseTryAgainLater)
	p.wantSaid(p.state("closed"), wire.CodeRateLimited, said)
}

func refusedLoginOnce(p *play) {
	p.begin()
	c := p.accept()
	c.clear(`{"event":"error","data":{"message":"not yet","code":"unavailable"}}`)
	c.greet()
	p.state("connected")
	c.cut()
	p.wantSaid(p.state("waiting"), "", "")
}

// problems returns the first error that was reported and belongs to no call, or "".
func (p *play) problems() string {
	for _, r := range p.reports {
		if r.Problem {
			return r.String()
		}
	}
	return ""
}

func refusedHTTP(p *play) {
	p.begin()
	for _, status := range []int{http.StatusServiceUnavailable, http.StatusForbidden, http.StatusOK} {
		p.arrive().refuse(status)
	}
	p.connected()
}

func refusedTCP(p *play) {
	p.begin()
	for range 2 {
		p.arrive().cut()
	}
	p.connected()
}

func closeCases() []Case {
	return []Case{
		newCase("close", "C7", "", "closes with 1000 and stays closed", closeConnected),
		newCase("close-late-message", "C7", "", "delivers nothing after close", closeLateMessage),
		newCase("close-waiting", "C7", "reconnect", "does not connect again if it is closed while it waits", closeWaiting),
		newCase("close-connecting", "C7", "", "does not become connected if it is closed before connected arrives", closeConnecting),
		newCase("close-asking", "C7", "", "does not connect if it is closed while the provider is asked", closeAsking),
		newCase("close-idle", "C7", "", "can be closed before it connects, and connected later", closeIdle),
		newCase("login-other-user", "C8", "", "uses the answer of the provider to the current attempt", loginOtherUser),
		newCase("login-late-answer", "C8", "", "ignores a late answer of the provider to an earlier attempt", loginLateAnswer),
		newCase("login-late-socket", "C8", "", "ignores a socket of an earlier attempt that opens late", loginLateSocket),
	}
}

func closeConnected(p *play) {
	c := p.session()
	p.close()
	c.closedWith(1000)
	p.state("closed")
	p.noArrival(absence)
}

func closeLateMessage(p *play) {
	c := p.session()
	p.note(func() { c.holdClose = true })
	p.close()
	c.ended()
	c.send("late", 1)
	p.notDelivered(absence)
	c.close(1000)
	p.state("closed")
}

func closeWaiting(p *play) {
	const longest, enough = 400, 200 // milliseconds
	p.begin(options(fields{"minDelay": longest, "maxDelay": longest}))
	for {
		p.connected().cut()
		// Otherwise the next attempt could begin before the driver has obeyed.
		if r := p.state("waiting"); r.RetryIn == nil || *r.RetryIn >= enough {
			break
		}
	}
	p.close()
	p.state("closed")
	p.noArrival(time.Second)
}

func closeConnecting(p *play) {
	p.begin()
	c := p.accept()
	p.close()
	p.state("closed")
	c.greet()
	p.noState(absence, "connected")
	p.noArrival(0)
}

func closeAsking(p *play) {
	p.begin(provided())
	ask := p.asked("connect")
	p.close()
	p.state("closed")
	p.provide(ask, token("late"))
	p.noArrival(absence)
}

func closeIdle(p *play) {
	p.make()
	p.close()
	p.noArrival(absence)
	p.connect()
	p.connected()
}

func loginOtherUser(p *play) {
	p.begin(provided())
	ann := p.asked("connect")
	p.close()
	p.connect()
	bob := p.asked("connect")
	p.provide(bob, token("bob"))
	p.provide(ann, token("ann"))
	p.accept().auth.wantData(fields{"token": "bob", "protocol": 2})
	p.noArrival(absence)
}

func loginLateAnswer(p *play) {
	p.begin(provided())
	ann := p.asked("connect")
	p.close()
	p.connect()
	bob := p.asked("connect")
	p.provide(ann, token("ann"))
	p.noArrival(absence)
	p.provide(bob, token("bob"))
	p.accept().auth.wantData(fields{"token": "bob", "protocol": 2})
}

func loginLateSocket(p *play) {
	p.begin(provided())
	p.provide(p.asked("connect"), token("ann"))
	first := p.arrive()
	p.close()
	p.connect()
	p.provide(p.asked("connect"), token("bob"))
	second := p.accept()
	second.auth.wantData(fields{"token": "bob", "protocol": 2})
	first.tryUpgrade()
	second.greet()
	p.state("connected")
	p.never(absence, "nothing on the earlier socket", func() string {
		if len(first.messages) == 0 {
			return ""
		}
		return first.messages[0].String()
	})
}
