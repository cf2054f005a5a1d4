package main

import (
	"math/rand/v2"
	"slices"

	"github.com/ignis-go/ignis/wire"
)

// rooms are the handles of the application and what the server knows of them.
type rooms struct {
	handles []*handle
	tries   map[string]int            // joins in a row that the server could not decide
	why     map[string]wire.ErrorData // the latest one of them, of rooms that are not joined
	status  map[string]string         // of the rooms: "", "joining", "joined", "leaving" or an error code
}

type handle struct {
	ref, room string
	left      bool
	told      bool // that it is joined, on this connection
}

func newRooms() rooms {
	return rooms{status: make(map[string]string), tries: make(map[string]int), why: make(map[string]wire.ErrorData)}
}

func (m *model) joinedRoom(room string) bool { return room != "" && m.status[room] == "joined" }

// wanted reports whether a handle of the room is open.
func (m *model) wanted(room string) bool {
	return slices.ContainsFunc(m.handles, func(h *handle) bool { return h.room == room && !h.left })
}

func (m *model) open(ref, room string) {
	m.handles = append(m.handles, &handle{ref: ref, room: room})
	if s := m.status[room]; s != "joining" && s != "joined" && s != "leaving" && s != "undecided" {
		m.status[room] = ""
	}
	m.sync(room)
	if m.flaw == "wants rooms that were left" {
		m.handles = append(m.handles, &handle{room: room, told: true})
	}
}

func (m *model) leave(ref string) {
	for _, h := range m.handles {
		if h.ref == ref {
			h.left = true
			if m.flaw == "leaves with the first handle" && m.joinedRoom(h.room) {
				m.change(h.room, wire.EventLeave, "leaving")
			}
			if m.flaw == "leaves later" {
				data, _ := wire.EncodeData(map[string][]string{"rooms": {h.room}})
				m.after(100, func() {
					m.transmit(&request{event: wire.EventLeave, data: data, done: func(wire.Message, string) {}})
				})
				return
			}
			m.sync(h.room)
		}
	}
}

// rejoin joins the rooms with open handles on a new connection.
func (m *model) rejoin() {
	if m.flaw == "forgets rooms" {
		return
	}
	clear(m.status)
	for _, h := range m.handles {
		h.told = false
		m.sync(h.room)
		if h.left && m.flaw == "joins rooms that were left" {
			m.change(h.room, wire.EventJoin, "joining")
		}
	}
}

// sync sends what is missing between what is wanted and what the server knows, and tells
// the handles.
func (m *model) sync(room string) {
	if m.state != "connected" {
		return
	}
	switch wanted := m.wanted(room); {
	case m.status[room] == "" && wanted:
		m.change(room, wire.EventJoin, "joining")
	case m.status[room] == "joined" && !wanted && m.flaw != "never leaves":
		m.change(room, wire.EventLeave, "leaving")
	case m.status[room] == "joined":
		m.tell(room, "", "")
	}
}

// tell tells the handles of a room that it is joined or refused, with the code and the text
// of the server.
func (m *model) tell(room, code, text string) {
	for _, h := range m.handles {
		if h.room != room || h.left || h.told {
			continue
		}
		h.told = true
		report := map[string]any{"joined": h.ref}
		if code != "" {
			report["error"], report["text"] = code, text
		}
		m.print(report)
	}
}

// change joins or leaves a room.
func (m *model) change(room, event, status string) {
	m.status[room] = status
	if m.flaw == "does not wait for the answer" && event == wire.EventJoin {
		m.tell(room, "", "")
	}
	data, _ := wire.EncodeData(map[string][]string{"rooms": {room}})
	m.transmit(&request{event: event, data: data, done: func(v wire.Message, code string) {
		switch {
		case code == "lost" || code == "closed":
			return
		case event == wire.EventLeave && m.flaw == "forgets the latest wish":
			m.status[room] = ""
			return
		case event == wire.EventLeave:
			m.status[room] = ""
		default:
			var joined wire.JoinData
			if v.Data != nil && code == "" {
				_ = v.Decode(&joined)
			}
			if m.flaw == "ignores refusals" {
				joined.Refused, code = nil, ""
			}
			text := m.textOf(v)
			for _, refused := range joined.Refused {
				code, text = string(refused.Code), refused.Message
			}
			if m.flaw == "hides texts" {
				text = ""
			}
			if temporary(code) && m.flaw != "gives up undecided rooms" {
				m.askAgain(room, wire.ErrorData{Code: wire.ErrorCode(code), Message: text})
				return
			}
			delete(m.tries, room)
			delete(m.why, room)
			if m.status[room] = "joined"; code != "" {
				m.status[room] = code
				m.tell(room, code, text)
			}
		}
		m.sync(room)
	}})
}

// temporary reports whether a code says that the server could not decide.
func temporary(code string) bool {
	return code == "unavailable" || code == "rate_limited" || code == "timeout"
}

// askAgain asks for a room later. For the tests it does not matter that each room has a
// timer.
func (m *model) askAgain(room string, why wire.ErrorData) {
	m.why[room] = why
	m.status[room] = "undecided"
	m.tell(room, string(why.Code), why.Message)
	for _, h := range m.handles {
		h.told = h.told && h.room != room
	}
	limit := min(m.options.MaxDelay, m.options.MinDelay<<min(m.tries[room], 30))
	m.tries[room]++
	m.after(rand.Int64N(limit+1), func() {
		if m.wanted(room) || m.flaw == "keeps asking for rooms" {
			m.change(room, wire.EventJoin, "joining")
		} else {
			m.status[room] = ""
		}
	})
}
