package main

import (
	"bufio"
	"io"
	"net"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/wire"
)

// closeFrame is the error for a close frame. Its code is 0 if it has none.
type closeFrame struct {
	code   int
	reason string
}

func (closeFrame) Error() string { return "closed" }

// frames reads frames.
type frames struct{ r io.Reader }

func newFrames(conn net.Conn, early *bufio.Reader) *frames {
	if early == nil {
		return &frames{conn}
	}
	return &frames{io.MultiReader(early, conn)}
}

// next returns the next frame. The model's server sends no fragments.
func (f *frames) next() (ws.OpCode, []byte, error) {
	h, err := ws.ReadHeader(f.r)
	if err != nil {
		return 0, nil, err
	}
	payload := make([]byte, h.Length)
	if _, err := io.ReadFull(f.r, payload); err != nil {
		return 0, nil, err
	}
	if h.OpCode == ws.OpClose {
		code, reason := ws.ParseCloseFrameData(payload)
		return h.OpCode, nil, closeFrame{int(code), reason}
	}
	return h.OpCode, payload, nil
}

// frame writes a frame.
func (m *model) frame(op ws.OpCode, payload []byte) {
	if m.conn == nil {
		return
	}
	_ = m.conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	_ = ws.WriteFrame(m.conn, ws.MaskFrame(ws.NewFrame(op, true, payload)))
}

// encode returns the text of a message as it is sent.
func (m *model) encode(v wire.Message) []byte {
	text := wire.AppendMessage(nil, v)
	if m.flaw == "does not seal" || m.flaw == "does not seal joins" && v.Event == wire.EventJoin {
		return text
	}
	if m.key != nil && v.Event != wire.EventHeartbeat {
		text = m.key.AppendFrame(nil, text, nil)
	}
	return text
}

func (m *model) write(v wire.Message) { m.frame(ws.OpText, m.encode(v)) }
