package flock

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"
)

// numbered returns a flock that expects messages 0 to n-1 at one client.
func numbered(n int) (*Flock, *conn) {
	c := &conn{phase: phaseIn, room: -1}
	f := &Flock{conns: []*conn{c}, live: 1, byFD: make(map[int32]*conn), now: time.Now()}
	f.expect(n)
	return f, c
}

func TestCounts(t *testing.T) {
	for _, tt := range []struct {
		name                                  string
		come                                  []uint32 // of 0 to 4
		deliveries, lost, reordered, repeated int64
	}{
		{"all", []uint32{0, 1, 2, 3, 4}, 5, 0, 0, 0},
		{"none", nil, 0, 5, 0, 0},
		{"a gap", []uint32{0, 3, 4}, 3, 2, 0, 0},
		{"the end missing", []uint32{0, 1}, 2, 3, 0, 0},
		{"swapped", []uint32{1, 0, 2, 4, 3}, 5, 0, 2, 0},
		{"twice", []uint32{0, 1, 1, 2, 3, 4, 0}, 7, 0, 0, 2},
		{"late twice", []uint32{0, 2, 1, 1, 3, 4}, 6, 0, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, c := numbered(5)
			for _, number := range tt.come {
				f.message(c, []byte(string(plainHead)+Data(number, time.Now(), 0, "", 128)+"}"))
			}
			expected := f.expected
			lost := f.Lost()
			if f.Deliveries != tt.deliveries || lost != tt.lost || f.Reordered != tt.reordered || f.Repeated != tt.repeated {
				t.Errorf("got %+v, lost %d; want %+v", f.Tally, lost, tt)
			}
			if expected != lost {
				t.Errorf("%d are still expected, and %d were lost", expected, lost)
			}
		})
	}
}

// What a client misses that the server closes is not lost, and not waited for.
func TestClosedClient(t *testing.T) {
	f, c := numbered(5)
	c.fd = -1 // nothing to close
	f.message(c, []byte(string(plainHead)+Data(2, time.Now(), 0, "", 128)+"}"))
	f.frame(c, opClose, nil)
	if live, closed := f.Live(); live != 0 || closed != 1 || f.expected != 0 || f.Lost() != 0 {
		t.Errorf("live %d, closed %d, expected %d", live, closed, f.expected)
	}
}

// Frames come in pieces and in heaps, and a frame of centrifuge's has several
// messages.
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
			f, c := numbered(6)
			f.cfg.Centrifuge = name == "centrifuge"
			rest := f.parse(c, stream[:cut])
			rest = f.parse(c, append(rest[:len(rest):len(rest)], stream[cut:]...))
			if len(rest) != 0 || f.Deliveries != 6 || f.expected != 0 || f.Reordered != 0 {
				t.Fatalf("%s cut at %d: %d bytes left, %+v, %d missing", name, cut, len(rest), f.Tally, f.expected)
			}
		}
	}
}

func TestParseBounds(t *testing.T) {
	for _, header := range [][]byte{
		{0x81, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		{0x81, 127, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff},
	} {
		f, c := numbered(1)
		c.fd = -1
		if rest := f.parse(c, header); rest != nil || c.phase != phaseGone {
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
