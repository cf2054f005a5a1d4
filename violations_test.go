package ignis_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// Violations of RFC 6455 close the connection with the code that it requires, over real
// sockets and in memory.
func TestViolations(t *testing.T) {
	frame := func(change func(*ws.Frame)) []byte {
		f := ws.NewTextFrame([]byte(`{"event":"heartbeat"}`))
		change(&f)
		return encode(f)
	}
	large := append([]byte(`{"event":"`), make([]byte, wire.DefaultMaxPayload)...)
	for name, row := range map[string]struct {
		bytes []byte
		code  int
	}{
		"too large":           {encode(ws.NewTextFrame(large)), 1009},
		"announces too large": {binary.BigEndian.AppendUint64([]byte{0x81, 0xff}, wire.DefaultMaxPayload+1), 1009},
		"announces far more":  {binary.BigEndian.AppendUint64([]byte{0x82, 0xff}, 1<<62), 1009},
		"fragments too large": {slices.Concat(
			encode(ws.NewFrame(ws.OpText, false, large[:wire.DefaultMaxPayload])),
			encode(ws.NewFrame(ws.OpContinuation, true, []byte("xx")))), 1009},
		"invalid UTF-8":      {encode(ws.NewTextFrame([]byte("{\"event\":\"\xff\"}"))), 1007},
		"a lone surrogate":   {encode(ws.NewTextFrame([]byte("{\"event\":\"\xed\xa0\x80\"}"))), 1007},
		"reserved bits":      {frame(func(f *ws.Frame) { f.Header.Rsv = ws.Rsv(true, false, false) }), 1002},
		"bad opcode":         {frame(func(f *ws.Frame) { f.Header.OpCode = 3 }), 1002},
		"bad control opcode": {frame(func(f *ws.Frame) { f.Header.OpCode = 0xb }), 1002},
		"fragmented control": {frame(func(f *ws.Frame) { f.Header.OpCode, f.Header.Fin = ws.OpPing, false }), 1002},
		"long control":       {encode(ws.NewPingFrame(make([]byte, 126))), 1002},
		"no mask":            {ws.MustCompileFrame(ws.NewTextFrame([]byte(`{"event":"heartbeat"}`))), 1002},
		"stray continuation": {frame(func(f *ws.Frame) { f.Header.OpCode = ws.OpContinuation }), 1002},
		"interrupted message": {slices.Concat(
			encode(ws.NewFrame(ws.OpText, false, []byte("{"))), encode(ws.NewTextFrame([]byte("}")))), 1002},
		"close of one byte": {encode(ws.NewCloseFrame([]byte{3})), 1002},
		"close with 1005":   {encode(ws.NewCloseFrame([]byte{3, 0xed})), 1002},
	} {
		t.Run(name, func(t *testing.T) {
			check := func(n *node) {
				p := n.login("ann")
				go p.bytes(row.bytes)
				if got := p.next(); !strings.HasPrefix(got, fmt.Sprintf("<close %d ", row.code)) {
					n.t.Errorf("received %s, want close %d", got, row.code)
				}
				p.expect("<end>")
			}
			check(start(t, ignis.Config{}))
			bubble(t, func(t *testing.T) { check(startMem(t, ignis.Config{})) })
		})
	}
}

func TestMessageOfTheLargestSize(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := &heard{}
		n := startMem(t, ignis.Config{OnMessage: h.message, MaxPayload: 100})
		p := n.login("ann")
		data := strings.Repeat("a", 100-len(`{"event":"x","data":""}`))
		p.bytes(slices.Concat( // in two fragments with a ping between
			encode(ws.NewFrame(ws.OpText, false, []byte(`{"event":"x","data"`))),
			encode(ws.NewPingFrame(nil)),
			encode(ws.NewFrame(ws.OpContinuation, true, []byte(`:"`+data+`"}`)))))
		p.only("<pong>")
		if got := h.take(); !slices.Equal(got, []string{`x|"` + data + `"|`}) {
			t.Errorf("handler got %q", got)
		}
		p.text(`{"event":"x","data":"` + data + `a"}`)
		p.expect("<close 1009 message over 100 bytes>", "<end>")
	})
}
