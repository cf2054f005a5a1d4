package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/seal"
	"github.com/ignis-go/ignis/wire"
)

// text handles a message of the server.
func (m *model) text(payload []byte) {
	v, err := wire.DecodeMessage(payload)
	if err != nil && m.flaw == "delivers anything" {
		m.print(map[string]any{"message": map[string]any{"event": ""}})
	}
	if strict := json.NewDecoder(bytes.NewReader(payload)); m.flaw == "knows all fields" {
		strict.DisallowUnknownFields()
		var known struct{ Event, Data, ID, Room, From any }
		err = strict.Decode(&known)
	}
	if err != nil {
		m.print(map[string]any{"error": err.Error()})
		return
	}
	if m.state == "connecting" {
		switch {
		case v.Event == wire.EventConnected:
			m.greeted(v)
		case v.Event == wire.EventError && m.flaw == "reports refused logins":
			m.print(map[string]any{"error": string(v.Data)})
		case v.Event == wire.EventError:
			_ = v.Decode(&m.said)
		}
		return
	}
	if m.key != nil && (v.Event == wire.EventEncrypted || m.flaw != "accepts unencrypted messages") {
		inner, err := m.key.Open(nil, v.Data, nil)
		if err == nil && v.Event == wire.EventEncrypted {
			v, err = wire.DecodeMessage(inner)
		}
		if err != nil && m.flaw == "skips what it cannot open" {
			return
		}
		if err != nil {
			m.violated(ws.StatusPolicyViolation, "protocol")
			return
		}
	}
	m.message(v)
}

// quote adds what the server said about the end of a connection to a report.
func (m *model) quote(report map[string]any) {
	if m.said.Message != "" && m.flaw != "hides texts" {
		report["text"] = m.said.Message
	}
	if m.said.Code != "" && m.flaw != "hides codes" {
		report["serverCode"] = m.said.Code
	}
	m.said = wire.ErrorData{}
}

// greeted handles connected.
func (m *model) greeted(v wire.Message) {
	var data struct {
		ID              string          `json:"id"`
		UserID          string          `json:"userId"`
		Protocol        json.RawMessage `json:"protocol"`
		Heartbeat       json.Number     `json:"heartbeat"`
		MaxPayload      json.Number     `json:"maxPayload"`
		ServerPublicKey string          `json:"serverPublicKey"`
		Salt            string          `json:"salt"`
		Expires         time.Time       `json:"expires"`
	}
	_ = v.Decode(&data)
	if m.setup.Encryption {
		info := m.setup.Info
		if m.flaw == "knows no info" {
			info = ""
		}
		key, err := seal.Complete(m.private, data.ServerPublicKey, data.Salt, info)
		if err != nil && m.flaw != "continues unencrypted" {
			m.violated(ws.StatusPolicyViolation, "encryption_required")
			return
		}
		m.key = key
	}
	if m.flaw != "remembers refused logins" {
		m.said = wire.ErrorData{}
	}
	before := m.protocol
	m.protocol, m.largest = 1, 0
	every := m.options.Heartbeat
	if string(data.Protocol) == "2" || m.flaw == "assumes protocol 2" || m.flaw == "remembers protocol 2" && before == 2 {
		m.protocol = 2
		largest, _ := data.MaxPayload.Int64()
		announced, _ := data.Heartbeat.Int64()
		m.largest = int(largest)
		if announced > 0 && m.flaw != "ignores the server's timeout" {
			every = min(every, max(announced/2, 100))
		}
	}
	if m.fresh = false; m.flaw == "resets the delay too early" {
		m.failures = 0
	}
	if m.flaw != "never resets the delay" {
		m.after(m.options.StableAfter, func() { m.failures = 0 })
	}
	report := map[string]any{"id": data.ID, "protocol": m.protocol}
	if data.UserID != "" {
		report["userId"] = data.UserID
	}
	if m.flaw == "forgets who it is" {
		report = map[string]any{}
	}
	m.enter("connected", report)
	m.beat(every)
	if m.flaw == "trusts the clock" && !data.Expires.IsZero() && time.Now().After(data.Expires) {
		m.refresh()
	}
	if m.flaw == "joins last" {
		m.flush()
		m.rejoin()
		return
	}
	m.rejoin()
	m.flush()
}

// beat sends heartbeats, and notices that nothing has arrived since the one before.
func (m *model) beat(every int64) {
	var next func()
	beats := 0
	next = func() {
		silent := beats > 0 && !m.heard && (m.protocol >= 2 || m.flaw == "knows no pings")
		if silent && m.flaw != "never notices silence" {
			m.ended("lost", 0)
			return
		}
		beats++
		m.heard = false
		v := wire.Message{Event: wire.EventHeartbeat}
		switch {
		case m.protocol >= 2:
			v.ID = "h" + strconv.Itoa(m.nextID())
		case m.flaw != "knows no pings":
			m.frame(ws.OpPing, nil)
		}
		if m.flaw != "sends no heartbeats" {
			m.write(v)
		}
		m.after(every, next)
	}
	m.after(every, next)
}

// message handles a message of a connection.
func (m *model) message(v wire.Message) {
	if _, system := wire.LookupEvent(v.Event, 2); system && v.ID == "" && m.flaw == "delivers events of the protocol" {
		m.deliver(v)
	}
	switch {
	case m.protocol >= 2 && v.Event == wire.EventAck, v.Event == wire.EventError && v.ID != "":
		m.answered(v)
	case v.Event == wire.EventError && m.flaw == "swallows errors":
	case v.Event == wire.EventError:
		m.print(map[string]any{"error": string(v.Data)})
	case v.Event == wire.EventConnected, v.Event == wire.EventEncrypted:
	case m.protocol >= 2 && v.Event == wire.EventExpiring:
		switch {
		case m.flaw == "never refreshes":
		case m.setup.Provide:
			m.refresh()
		case m.flaw == "refreshes fixed credentials":
			m.transmit(&request{event: wire.EventRefresh, data: m.used, done: func(wire.Message, string) {}})
		}
	case m.protocol >= 2 && v.Event == wire.EventDraining:
		if d, ok := wire.DecodeDraining(v.Data); ok {
			m.drain = time.Now().Add(d.RetryAfter)
		}
		if m.flaw == "leaves at once" {
			m.hangUp(1000)
		}
	default:
		m.deliver(v)
	}
}

// deliver calls the handlers.
func (m *model) deliver(v wire.Message) {
	if m.flaw == "delivers out of order" && len(v.Data)%2 == 0 && !m.late {
		m.late = true
		m.after(1, func() { m.deliver(v) })
		return
	}
	m.late = false
	message := map[string]any{"event": v.Event}
	if v.Data != nil {
		message["data"] = v.Data
	}
	room := v.Room
	if m.flaw == "ignores rooms" {
		room = ""
	}
	if room == "" && m.protocol < 2 {
		var data struct {
			Room string `json:"room"`
		}
		if json.Unmarshal(v.Data, &data) == nil && m.joinedRoom(data.Room) {
			room = data.Room
		}
	}
	if room != "" {
		message["room"] = room
	}
	if v.From != (wire.Sender{}) {
		message["from"] = v.From
	}
	m.print(map[string]any{"message": message})
	if m.throws[v.Event] {
		if m.flaw == "ends when a handler throws" {
			m.ended("lost", 0)
		}
		m.print(map[string]any{"error": "thrown"})
	}
	if room == "" || v.Event != "say" {
		return
	}
	for _, h := range slices.Clone(m.handles) {
		if h.room == room && (!h.left || m.flaw == "keeps handlers") {
			m.print(map[string]any{"message": message, "ref": h.ref})
		}
	}
}

// refresh asks for credentials and sends them, one at a time.
func (m *model) refresh() {
	if m.again = m.refreshing; m.refreshing && m.flaw != "refreshes at the same time" {
		return
	}
	m.refreshing = true
	n := m.number
	done := func() {
		m.refreshing = false
		if m.again {
			m.again = false
			m.refresh()
		}
	}
	m.ask("refresh", func(c command) {
		switch {
		case n != m.number && m.flaw != "refreshes late", m.state != "connected":
		case c.Error != "" && m.flaw == "gives up without credentials":
			m.ended("unreachable", 0)
		case c.Error != "":
			m.print(map[string]any{"error": c.Error})
			done()
		default:
			m.transmit(&request{event: wire.EventRefresh, data: c.Credentials, done: func(v wire.Message, code string) {
				if code != "" {
					m.print(map[string]any{"error": code})
				}
				if code != "" && m.flaw == "refreshes again" {
					m.again = true
				}
				done()
			}})
		}
	})
}
