package sdktest

import (
	"fmt"
	"slices"
	"strings"
)

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

// refusesKey checks that the client closes the connection because it is not encrypted, with
// one of these codes.
func (p *play) refusesKey(c *conn, codes ...string) {
	c.closedWith(1008)
	if r := p.state("closed"); !slices.Contains(codes, r.Code) {
		p.fail(fmt.Sprintf("the state closed with one of the codes %q", codes), r.String())
	}
	p.noArrival(absence)
}

func encryptionMissing(p *play) {
	p.begin(encrypted())
	c := p.accept()
	c.withoutKey()
	p.refusesKey(c, "encryption_required")
}

func encryptionBadKey(p *play) {
	p.make(encrypted())
	for _, key := range []string{"AAAA", "!", "BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="} {
		p.connect()
		c := p.accept()
		c.withoutKey(fields{"serverPublicKey": key})
		p.refusesKey(c, "encryption_required", "protocol")
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
