package sdktest

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/seal"
	"github.com/ignis-go/ignis/wire"
)

// This file contains what the server does in a case.

// fields are the fields of a JSON object.
type fields map[string]any

// encode returns v as JSON. The values in the cases can always be encoded.
func encode(v any) json.RawMessage {
	text, err := wire.EncodeData(v)
	if err != nil {
		panic(err)
	}
	return text
}

// accept accepts the client's next connection and waits for authenticate.
func (p *play) accept() *conn {
	c := p.arrive()
	c.authenticate()
	return c
}

// authenticate opens a connection and waits for authenticate.
func (c *conn) authenticate() {
	c.upgrade()
	c.auth = c.next(wire.EventAuthenticate)
}

// admit is authenticate, and sends connected.
func (c *conn) admit() {
	c.authenticate()
	c.greet()
}

// welcome is accept, and sends connected.
func (p *play) welcome(more ...fields) *conn {
	c := p.accept()
	c.greet(more...)
	return c
}

// greet sends connected, with fields in addition to or in place of the usual ones; nil
// removes a field. If the client encrypts, the server does as well.
func (c *conn) greet(more ...fields) {
	data := fields{
		"id": fmt.Sprintf("client-%d", c.number), "userId": "ann", "time": wire.FormatTime(time.Now()),
		"protocol": 2, "heartbeat": 90_000, "maxPayload": 128 << 10, "server": "sdktest/1",
	}
	var auth struct {
		PublicKey string `json:"publicKey"`
	}
	if err := json.Unmarshal(c.auth.Data, &auth); err != nil {
		c.p.fail("an object as the data of authenticate", c.auth.String())
	}
	var key *seal.Key
	if auth.PublicKey != "" {
		agreement, err := seal.Accept(auth.PublicKey, c.p.info)
		if err != nil {
			c.p.rule("E1").fail("a valid publicKey", err.Error())
		}
		key = agreement.Key
		data["serverPublicKey"], data["salt"] = agreement.PublicKey, agreement.Salt
	}
	for _, f := range more {
		for name, value := range f {
			data[name] = value
			if value == nil {
				delete(data, name)
			}
		}
	}
	c.p.mu.Lock()
	c.greeted, c.protocol = true, 1
	if data["protocol"] == 2 {
		c.protocol = 2
	}
	c.key = key // before the client can send anything sealed
	c.p.mu.Unlock()
	c.clear(string(wire.AppendMessage(nil, wire.Message{Event: wire.EventConnected, Data: encode(data)})))
}

// clear sends a text unencrypted.
func (c *conn) clear(text string) {
	c.p.tracef("server sends on %d: %s", c.number, short(text))
	c.write(ws.OpText, []byte(text))
}

// text sends a text, sealed if the connection is encrypted.
func (c *conn) text(text string) {
	c.p.mu.Lock()
	key := c.key
	c.p.mu.Unlock()
	if key == nil {
		c.clear(text)
		return
	}
	c.p.tracef("server sends on %d, sealed: %s", c.number, short(text))
	c.write(ws.OpText, key.AppendFrame(nil, []byte(text), nil))
}

// send sends a message. Data nil means none.
func (c *conn) send(event string, data any) { c.sendTo("", event, data) }

// sendTo sends a message that was sent to a room.
func (c *conn) sendTo(room, event string, data any) {
	m := wire.Message{Event: event, Room: room}
	if data != nil {
		m.Data = encode(data)
	}
	c.text(string(wire.AppendMessage(nil, m)))
}

// ack answers a request. Without data, there is no reply.
func (c *conn) ack(m *inbound, data ...any) {
	a := wire.Message{Event: wire.EventAck, ID: m.ID}
	if len(data) > 0 {
		a.Data = encode(data[0])
	}
	c.text(string(wire.AppendMessage(nil, a)))
}

// said is the text of the server for the application.
const said = "Closed until \"März\".\n"

// deny answers a request with an error and the text said.
func (c *conn) deny(m *inbound, code wire.ErrorCode) {
	c.text(string(wire.AppendMessage(nil, wire.Message{
		Event: wire.EventError, ID: m.ID, Data: wire.ErrorData{Message: said, Code: code}.Encode(),
	})))
}

// turnAway refuses an attempt with a code, the text said and a close code.
func (c *conn) turnAway(code wire.ErrorCode, closeCode uint16) {
	c.clear(string(wire.AppendMessage(nil, wire.Message{
		Event: wire.EventError, Data: wire.ErrorData{Message: said, Code: code}.Encode(),
	})))
	c.close(int(closeCode))
}

// close closes the connection with a code and its usual reason; 0 sends a close frame
// without both.
func (c *conn) close(code int) { c.closeFor(code, wire.CloseReason(uint16(code))) }

// closeFor closes the connection with a code and a reason.
func (c *conn) closeFor(code int, reason string) {
	c.p.tracef("server closes %d with %d", c.number, code)
	var body []byte
	if code != 0 {
		body = ws.NewCloseFrameBody(ws.StatusCode(code), reason)
	}
	c.write(ws.OpClose, body)
	c.wait(writeTime, func() bool { return c.over })
	_ = c.nc.Close()
}

// cut ends the connection without a close frame.
func (c *conn) cut() {
	c.p.tracef("server cuts %d", c.number)
	_ = c.nc.Close()
}

// mute makes the server read everything and answer nothing, as if the network were lost
// in one direction.
func (c *conn) mute() {
	c.p.tracef("server goes silent on %d", c.number)
	c.p.note(func() { c.silent = true })
}

func (c *conn) wait(limit time.Duration, done func() bool) bool { return c.p.wait(limit, done) }

// next waits for the next message, which must have this event.
func (c *conn) next(event string) *inbound {
	var m *inbound
	c.p.soon(fmt.Sprintf("the client to send %q", event), func() bool {
		if len(c.messages) == 0 {
			return false
		}
		m, c.messages = c.messages[0], c.messages[1:]
		return true
	})
	if m.Event != event {
		c.p.fail(fmt.Sprintf("the client to send %q next", event), m.String())
	}
	return m
}

// some waits for the next message, whatever it is.
func (c *conn) some() {
	c.p.soon("the client to send something", func() bool { return len(c.messages) > 0 })
}

// request waits for the next message, which must be a request with this event.
func (c *conn) request(event string) *inbound {
	m := c.next(event)
	if m.ID == "" {
		c.p.rule("Q1").fail("a request with an id", m.String())
	}
	return m
}

// quiet checks that the client sends nothing but heartbeats for a time.
func (c *conn) quiet(d time.Duration) {
	c.p.never(d, fmt.Sprintf("the client to send nothing for %v", d), func() string {
		if len(c.messages) == 0 {
			return ""
		}
		return c.messages[0].String()
	})
}

// ended waits until the client ends the connection, and returns the code of its close
// frame, or 1006 if there was none.
func (c *conn) ended() int {
	c.p.soon("the client to close the connection", func() bool { return c.over })
	return c.closeCode
}

// closedWith checks that the client closes the connection with a code.
func (c *conn) closedWith(code int) {
	if got := c.ended(); got != code {
		c.p.fail(fmt.Sprintf("the client to close the connection with %d", code), fmt.Sprint(got))
	}
}

// stays checks that the connection does not end for a time.
func (c *conn) stays(d time.Duration) {
	c.p.never(d, fmt.Sprintf("the connection to last for %v", d), func() string {
		if !c.over {
			return ""
		}
		return fmt.Sprintf("its end with %d", c.closeCode)
	})
}

// rooms waits for a join or leave request and returns its rooms.
func (c *conn) rooms(event string) (m *inbound, rooms []string) {
	m = c.next(event)
	var data struct {
		Rooms []string `json:"rooms"`
	}
	if err := json.Unmarshal(m.Data, &data); err != nil || len(data.Rooms) == 0 {
		c.p.fail(`{"rooms":[...]} as the data of `+event, m.String())
	}
	return m, data.Rooms
}

// withoutKey sends connected without agreeing on a key.
func (c *conn) withoutKey(more ...fields) {
	data := fields{"id": "client", "time": wire.FormatTime(time.Now()), "protocol": 2}
	for _, f := range more {
		maps.Copy(data, f)
	}
	c.p.note(func() { c.greeted, c.protocol = true, 2 })
	c.send(wire.EventConnected, data)
}

// stall makes the server stop reading.
func (c *conn) stall() {
	c.p.tracef("server stops reading on %d", c.number)
	c.p.note(func() { c.stalled = make(chan struct{}) })
}
