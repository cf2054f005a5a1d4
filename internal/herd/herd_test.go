//go:build linux

package herd

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"
)

// numbered returns a herd that expects messages 0 to n-1 at one client.
func numbered(n int) (*Herd, *conn) {
	c := &conn{phase: phaseIn, room: -1}
	h := &Herd{conns: []*conn{c}, live: 1, rooms: []room{{live: 1}}, byFD: make(map[int32]*conn), now: time.Now(), failures: make(reasons), closes: make(reasons)}
	h.expect(n)
	return h, c
}

func TestCounts(t *testing.T) {
	for _, tt := range []struct {
		name                                  string
		come                                  []uint32 // numbers of the received messages; 0 to 4 are sent
		deliveries, lost, reordered, repeated int64
	}{
		{"all", []uint32{0, 1, 2, 3, 4}, 5, 0, 0, 0},
		{"none", nil, 0, 5, 0, 0},
		{"a gap", []uint32{0, 3, 4}, 3, 2, 0, 0},
		{"the end missing", []uint32{0, 1}, 2, 3, 0, 0},
		{"swapped", []uint32{1, 0, 2, 4, 3}, 5, 0, 2, 0},
		{"twice", []uint32{0, 1, 1, 2, 3, 4, 0}, 7, 0, 0, 2},
		{"never sent", []uint32{0, 1, 2, 3, 4, 4_000_000_000}, 6, 0, 0, 1},
		{"late twice", []uint32{0, 2, 1, 1, 3, 4}, 6, 0, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, c := numbered(5)
			for _, number := range tt.come {
				h.message(c, []byte(string(plainHead)+Data(number, time.Now(), 0, "", 128)+"}"))
			}
			expected := h.expected
			lost := h.Lost()
			if h.Deliveries != tt.deliveries || lost != tt.lost || h.Reordered != tt.reordered || h.Repeated != tt.repeated {
				t.Errorf("got %+v, lost %d; want %+v", h.Tally, lost, tt)
			}
			if expected != lost {
				t.Errorf("%d are still expected, but %d were lost", expected, lost)
			}
		})
	}
}

// Messages to a client that the server has closed are neither lost nor expected.
func TestClosedClient(t *testing.T) {
	h, c := numbered(5)
	c.fd = -1 // nothing to close
	h.message(c, []byte(string(plainHead)+Data(2, time.Now(), 0, "", 128)+"}"))
	h.frame(c, opClose, nil)
	if live, closed := h.Live(); live != 0 || closed != 1 || h.expected != 0 || h.Lost() != 0 {
		t.Errorf("live %d, closed %d, expected %d", live, closed, h.expected)
	}
}

// Frames may be split or combined in reads, and a frame of centrifuge may contain several messages.
func TestParse(t *testing.T) {
	frame := func(text string) []byte {
		if len(text) < 126 {
			return append([]byte{0x81, byte(len(text))}, text...)
		}
		return append(binary.BigEndian.AppendUint16([]byte{0x81, 126}, uint16(len(text))), text...)
	}
	var plain, cent []byte
	var lines []string
	for i := range uint32(6) {
		size := int(i) * 40
		plain = append(plain, frame(string(plainHead)+Data(i, time.Now(), 0, "", size)+"}")...)
		lines = append(lines, string(centrifugeHead)+Data(i, time.Now(), 0, "", size)+"}}}}")
	}
	cent = append(frame(strings.Join(lines[:4], "\n")), frame(strings.Join(lines[4:], "\n"))...)
	for name, stream := range map[string][]byte{"plain": plain, "centrifuge": cent} {
		for cut := range stream {
			h, c := numbered(6)
			h.cfg.Centrifuge = name == "centrifuge"
			rest := h.parse(c, stream[:cut])
			rest = h.parse(c, append(rest[:len(rest):len(rest)], stream[cut:]...))
			if len(rest) != 0 || h.Deliveries != 6 || h.expected != 0 || h.Reordered != 0 {
				t.Fatalf("%s cut at %d: %d bytes left, %+v, %d missing", name, cut, len(rest), h.Tally, h.expected)
			}
		}
	}
}

func TestParseBounds(t *testing.T) {
	for _, header := range [][]byte{
		{0x81, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		{0x81, 127, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff},
	} {
		h, c := numbered(1)
		c.fd = -1
		if rest := h.parse(c, header); rest != nil || c.phase != phaseGone {
			t.Errorf("% x: %d bytes left, phase %d", header, len(rest), c.phase)
		}
	}
}

func TestData(t *testing.T) {
	at := time.Now()
	for _, size := range []int{0, 128, 4096} {
		for _, room := range []string{"", roomName(7)} {
			data := Data(4_294_967_295, at, 49, room, size)
			if size > 128 && len(data) != size || len(data) < size {
				t.Errorf("%d bytes, want %d", len(data), size)
			}
			if got := decimal([]byte(data)[atTime : atTime+19]); got != at.UnixNano() {
				t.Errorf("time %d in %s", got, data)
			}
			if got := decimal([]byte(data)[atMember : atMember+4]); got != 49 {
				t.Errorf("member %d in %s", got, data)
			}
		}
	}
}

// FuzzParse checks that the herd does not panic on any data from the server.
func FuzzParse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x05hello"), true)
	f.Add([]byte("\x81\x7e\x00\x90"+string(plainHead)+Data(3, time.Now(), 0, "", 100)+"}"), false)
	f.Add([]byte("\x88\x02\x03\xe8"), false)
	f.Add([]byte(string(plainHead)), true)
	f.Fuzz(func(t *testing.T, stream []byte, upgrading bool) {
		h, c := numbered(5)
		c.fd = -1
		if upgrading {
			c.phase = phaseUpgrading
		}
		if rest := h.parse(c, stream); len(rest) > len(stream) || c.phase == phaseGone && len(rest) > 0 {
			t.Errorf("%d bytes left of %d, phase %d", len(rest), len(stream), c.phase)
		}
	})
}
