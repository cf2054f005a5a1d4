package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// The rooms. Of a cursor, only the last position matters, so a client that reads slowly skips older
// ones. Changes of notes must not be skipped, so they have their own room.
const (
	notesRoom   = "notes"
	cursorsRoom = "cursors"
)

// The limits of a board.
const (
	width, height = 1600, 1000 // in pixels
	maxNotes      = 200
	maxText       = 280 // in characters
)

// Point is a position on the board.
type Point struct {
	X int `json:"x"`
	Y int `json:"y"`
}

// Person is someone who has the board open. A person with two tabs counts twice.
type Person struct {
	ID    string `json:"id"` // of the client
	Name  string `json:"name"`
	Color int    `json:"color"` // its number in the style sheet
}

// Move is the data of the event "move". It has no position if the pointer has left the board.
type Move struct {
	ID string `json:"id,omitempty"` // of the client; set by the server
	At *Point `json:"at"`
}

// Note is a note on the board, and the data of the events "note" and "removed".
type Note struct {
	ID    string `json:"id"` // empty in a request for a new note
	Text  string `json:"text"`
	Color int    `json:"color"`
	Point
}

// Board is the application. It keeps notes and people in memory, so it runs on one server. With
// several servers, keep the notes in a database and send with Server.Send.
type Board struct {
	server *ignis.Server

	mu     sync.Mutex // also held while sending, so that clients receive changes in their order
	notes  map[string]Note
	people map[string]Person
}

// NewBoard returns a board with a few notes. Its server is not running yet.
func NewBoard() (*Board, error) {
	b := &Board{notes: make(map[string]Note), people: make(map[string]Person)}
	for _, n := range []Note{
		{"1", "Ship the new onboarding on Thursday", 0, Point{80, 90}},
		{"2", "Who talks to the design team about the empty state?", 1, Point{700, 120}},
		{"3", "Coffee machine: ask for the quiet one", 2, Point{120, 320}},
	} {
		b.notes[n.ID] = n
	}
	var err error
	b.server, err = ignis.New(ignis.Config{
		Authenticate: authenticate,
		ValidateRooms: func(_ context.Context, _ *ignis.Client, rooms []string) ([]string, error) {
			return slices.DeleteFunc(rooms, func(room string) bool { return room != notesRoom && room != cursorsRoom }), nil
		},
		OnJoin:    b.joined,
		OnLeave:   b.left,
		OnMessage: b.handle,
		RoomSlowPolicy: func(room string) ignis.SlowPolicy {
			if room == cursorsRoom {
				return ignis.SlowLatest
			}
			return ignis.SlowDisconnect
		},
	})
	return b, err
}

// authenticate accepts anyone who gives a name. The example node-backend has a real login.
func authenticate(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
	var who struct{ Name string }
	if err := c.Decode(&who); err != nil {
		return ignis.Identity{}, fmt.Errorf("%w: %w", ignis.ErrUnauthenticated, err)
	}
	name := strings.TrimSpace(who.Name)
	if name == "" || utf8.RuneCountInString(name) > 24 {
		return ignis.Identity{}, fmt.Errorf("%w: a name has 1 to 24 characters", ignis.ErrUnauthenticated)
	}
	return ignis.Identity{Metadata: name}, nil
}

// joined sends the board to a client that has joined, and the client to the others. Changes that
// happen meanwhile arrive after the board.
func (b *Board) joined(_ context.Context, c *ignis.Client, room string) {
	if room != notesRoom {
		return
	}
	name, _ := c.Metadata.(string)
	b.mu.Lock()
	defer b.mu.Unlock()
	p := Person{c.ID, name, b.freeColor()}
	b.people[c.ID] = p
	b.send(notesRoom, "here", p, ignis.Except(c.ID))
	_ = b.server.SendLocal(ignis.ToClient(c.ID), "board", map[string]any{
		"notes": slices.Collect(maps.Values(b.notes)), "people": slices.Collect(maps.Values(b.people)),
	})
}

// freeColor returns the color that the fewest people have.
func (b *Board) freeColor() int {
	var used [8]int
	for _, p := range b.people {
		used[p.Color]++
	}
	return slices.Index(used[:], slices.Min(used[:]))
}

// left tells the others that a client has left, or that its connection was lost.
func (b *Board) left(_ context.Context, c *ignis.Client, room string, _ ignis.LeaveCause) {
	if room != notesRoom {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.people, c.ID)
	b.send(notesRoom, "gone", map[string]string{"id": c.ID})
}

// handle handles the messages of clients.
func (b *Board) handle(_ context.Context, c *ignis.Client, m wire.Message) (any, error) {
	switch m.Event {
	case "move":
		var move Move
		if err := m.Decode(&move); err != nil {
			return nil, err
		}
		move.ID = c.ID
		// The key says which older messages this one replaces.
		b.send(cursorsRoom, "move", move, ignis.Key(c.ID), ignis.Except(c.ID))
		return nil, nil
	case "note":
		var n Note
		if err := m.Decode(&n); err != nil {
			return nil, err
		}
		return b.put(n)
	case "remove":
		var n Note
		if err := m.Decode(&n); err != nil {
			return nil, err
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.notes, n.ID)
		b.send(notesRoom, "removed", n)
		return nil, nil
	}
	return nil, &ignis.Error{Code: wire.CodeUnknownEvent}
}

// put adds or changes a note and returns it.
func (b *Board) put(n Note) (any, error) {
	if utf8.RuneCountInString(n.Text) > maxText {
		return nil, &ignis.Error{Code: wire.CodeInvalid, Message: fmt.Sprintf("A note has at most %d characters.", maxText)}
	}
	n.X, n.Y = min(max(n.X, 0), width), min(max(n.Y, 0), height)
	b.mu.Lock()
	defer b.mu.Unlock()
	if n.ID == "" {
		if len(b.notes) == maxNotes {
			return nil, &ignis.Error{Code: wire.CodeInvalid, Message: "The board is full. Remove a note first."}
		}
		n.ID = rand.Text()
	} else if _, ok := b.notes[n.ID]; !ok {
		return nil, &ignis.Error{Code: wire.CodeNotFound, Message: "Someone has removed this note."}
	}
	b.notes[n.ID] = n
	b.send(notesRoom, "note", n)
	return n, nil
}

// send sends to a room. The error would only say that the server is stopping.
func (b *Board) send(room, event string, data any, options ...ignis.SendOption) {
	_ = b.server.SendLocal(ignis.ToRoom(room), event, data, options...)
}
