package main

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/ignis-go/ignis/wire"
)

// requests are what has not ended yet.
type requests struct {
	last    int
	waiting []*request
	sent    map[string]*request
	order   []*request // of those that were sent
}

type request struct {
	ref, event, room, id string
	data                 json.RawMessage
	retry, volatile      bool
	late                 bool
	timeout              int64
	timer                *time.Timer
	done                 func(v wire.Message, code string) // nil for those of the application
}

func (m *model) nextID() int {
	m.last++
	return m.last
}

// send is what the application calls.
func (m *model) send(r *request) {
	switch {
	case r.volatile:
		if m.state == "connected" {
			v := wire.Message{Event: r.event, Room: r.room, Data: r.data}
			if m.flaw == "gives every message an id" {
				v.ID = strconv.Itoa(m.nextID())
			}
			m.write(v)
		} else if m.flaw == "buffers volatile messages" {
			m.waiting = append(m.waiting, r)
		}
		m.print(map[string]any{"result": r.ref})
	case m.state == "closed":
		m.finish(r, wire.Message{}, "closed")
	case m.state == "connected":
		m.transmit(r)
	default:
		m.hold(r)
	}
}

// hold puts a request in the buffer.
func (m *model) hold(r *request) {
	size := func() (n int) {
		for _, r := range m.waiting {
			n += len(r.data)
		}
		return n
	}
	for m.flaw != "buffers without a limit" && (len(m.waiting) >= m.options.BufferMessages || size()+len(r.data) > m.options.BufferBytes) {
		if m.options.BufferPolicy == "reject" || len(m.waiting) == 0 {
			m.finish(r, wire.Message{}, "buffer_full")
			return
		}
		m.finish(m.waiting[0], wire.Message{}, "buffer_full")
	}
	m.waiting = append(m.waiting, r)
	if m.flaw == "waits forever" {
		return
	}
	r.timer = time.AfterFunc(time.Duration(m.options.ExpiresAfter)*time.Millisecond, func() {
		m.todo <- func() {
			if slices.Contains(m.waiting, r) {
				m.finish(r, wire.Message{}, "expired")
			}
		}
	})
}

// flush sends what waits.
func (m *model) flush() {
	waiting := m.waiting
	m.waiting = nil
	if m.flaw == "overtakes" {
		slices.Reverse(waiting)
	}
	for _, r := range waiting {
		m.transmit(r)
	}
}

// transmit sends a request.
func (m *model) transmit(r *request) {
	if r.timer != nil {
		r.timer.Stop()
	}
	if m.flaw == "sends out of order" && r.done == nil && !r.late && m.last%3 == 1 {
		r.late = true
		m.after(10, func() { m.transmit(r) })
		return
	}
	v := wire.Message{Event: r.event, Room: r.room, Data: r.data}
	if v.Data != nil && m.flaw == "sends other data" {
		v.Data = json.RawMessage("{}")
	}
	if m.protocol >= 2 {
		if r.id == "" || m.flaw == "retries with another id" {
			r.id = strconv.Itoa(m.nextID())
		}
		v.ID = r.id
	} else if r.room != "" && m.flaw != "has no room in data" {
		v.Data = withRoom(r.data, r.room)
	}
	if text := m.encode(v); m.largest > 0 && len(text) > m.largest && m.flaw != "has no limit" {
		m.finish(r, wire.Message{}, "too_large")
		return
	}
	m.write(v)
	if m.protocol < 2 {
		m.finish(r, wire.Message{}, "")
		return
	}
	m.sent[r.id] = r
	m.order = append(m.order, r)
	timeout := m.options.RequestTimeout
	if r.timeout > 0 && m.flaw != "knows no timeout" {
		timeout = r.timeout
	}
	if m.flaw == "knows no timeout" {
		timeout = 60_000
	}
	r.timer = m.after(timeout, func() { m.finish(r, wire.Message{}, "timeout") })
}

// withRoom adds a room to data that is an object.
func withRoom(data json.RawMessage, room string) json.RawMessage {
	var object map[string]json.RawMessage
	if json.Unmarshal(data, &object) != nil || object == nil || object["room"] != nil {
		return data
	}
	object["room"], _ = wire.EncodeData(room)
	text, _ := wire.EncodeData(object)
	return text
}

// answered handles an answer.
func (m *model) answered(v wire.Message) {
	r := m.sent[v.ID]
	if m.flaw == "matches by position" && len(m.order) > 0 && v.ID[:1] != "h" {
		r = m.order[0]
	}
	if r == nil {
		if m.flaw == "ends requests twice" && v.ID == "1" {
			m.print(map[string]any{"result": "s1"})
		}
		return
	}
	code := ""
	if v.Event == wire.EventError {
		var why wire.ErrorData
		_ = v.Decode(&why)
		if doubt := m.why[r.room]; why.Code == wire.CodeForbidden && doubt.Code != "" && m.flaw != "reports forbidden" {
			why = doubt
			v.Data, _ = wire.EncodeData(doubt)
		}
		if code = string(why.Code); m.flaw == "knows one code" {
			code = "failed"
		}
	}
	m.finish(r, v, code)
}

// textOf returns the text of an answer that is an error.
func (m *model) textOf(v wire.Message) string {
	var why wire.ErrorData
	if v.Event == wire.EventError && m.flaw != "hides texts" {
		_ = v.Decode(&why)
	}
	return why.Message
}

// finish ends a request.
func (m *model) finish(r *request, v wire.Message, code string) {
	if r.timer != nil {
		r.timer.Stop()
	}
	delete(m.sent, r.id)
	m.order = slices.DeleteFunc(m.order, func(other *request) bool { return other == r })
	m.waiting = slices.DeleteFunc(m.waiting, func(other *request) bool { return other == r })
	if r.done != nil {
		r.done(v, code)
		return
	}
	report := map[string]any{"result": r.ref}
	switch {
	case code != "":
		report["error"], report["text"] = code, m.textOf(v)
	case v.Data != nil:
		report["data"] = v.Data
	}
	m.print(report)
}

// loseRequests ends those that were sent, and puts back those that are to be sent again.
func (m *model) loseRequests() {
	var again []*request
	if m.flaw == "forgets requests" {
		m.order = nil
	}
	for _, r := range slices.Clone(m.order) {
		if (r.retry || m.flaw == "repeats lost requests") && r.done == nil {
			again = append(again, r)
			continue
		}
		m.finish(r, wire.Message{}, "lost")
	}
	clear(m.sent)
	m.order = nil
	if m.flaw == "counts from one again" {
		m.last = 0
	}
	m.waiting = append(again, m.waiting...)
}

// fail ends all requests.
func (m *model) fail(sent, waiting string) {
	if m.flaw == "forgets requests" {
		m.order, m.waiting = nil, nil
	}
	for _, r := range slices.Clone(m.order) {
		m.finish(r, wire.Message{}, sent)
	}
	if m.flaw == "keeps the buffer" {
		return
	}
	for _, r := range slices.Clone(m.waiting) {
		m.finish(r, wire.Message{}, waiting)
	}
}

func (m *model) cancel(ref string) {
	for _, r := range append(slices.Clone(m.order), m.waiting...) {
		if r.ref == ref {
			m.finish(r, wire.Message{}, "aborted")
			return
		}
	}
}
