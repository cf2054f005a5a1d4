package sdktest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/seal"
	"github.com/ignis-go/ignis/wire"
)

// maxFrame is the largest frame that the server reads.
const maxFrame = 4 << 20

// conn is the server's end of a connection. Its methods that fail end the case.
type conn struct {
	p       *play
	nc      net.Conn
	number  int       // in the case, from 1
	at      time.Time // when it was accepted
	header  []byte    // of the upgrade request
	readers sync.WaitGroup

	writing sync.Mutex

	// The fields below are guarded by play.mu.
	messages   []*inbound // not yet taken by the case; without heartbeats
	heartbeats int
	received   int       // messages in all
	greeted    bool      // connected has been sent
	protocol   int       // of the connection
	key        *seal.Key // nil if not encrypted
	ivs        map[string]bool
	ids        map[string]bool
	over       bool          // the connection has ended
	closeCode  int           // of the client's close frame; 1006 if there was none
	silent     bool          // no pongs, answers to heartbeats or close frames
	holdClose  bool          // the client's close frame is not answered
	stalled    chan struct{} // if not nil, reading waits until it is closed
	auth       *inbound
}

// inbound is a message from the client.
type inbound struct {
	c      *conn
	Event  string
	Data   json.RawMessage
	Room   string
	ID     string
	sealed bool
	text   string
}

// String returns the text, shortened.
func (m *inbound) String() string { return short(m.text) }

// read is the reading goroutine.
func (c *conn) read() {
	code := 1006
	for {
		c.p.mu.Lock()
		stalled := c.stalled
		c.p.mu.Unlock()
		if stalled != nil {
			<-stalled
		}
		h, payload, err := c.frame()
		if err != nil {
			break
		}
		if h.OpCode == ws.OpClose {
			code = c.closed(payload)
			break
		}
		c.handle(h, payload)
	}
	c.p.note(func() {
		c.over, c.closeCode = true, code
		c.p.traceLocked("server: connection %d ended with %d", c.number, code)
	})
}

func (c *conn) frame() (h ws.Header, payload []byte, err error) {
	if h, err = ws.ReadHeader(c.nc); err != nil {
		return h, nil, err
	}
	if h.Length > maxFrame {
		return h, nil, fmt.Errorf("a frame of %d bytes", h.Length)
	}
	payload = make([]byte, h.Length)
	if _, err = io.ReadFull(c.nc, payload); err != nil {
		return h, nil, err
	}
	if !h.Masked || h.Rsv != 0 {
		c.p.broken("C2", "masked frames without extensions, as RFC 6455 requires of clients", fmt.Sprintf("the header %+v", h))
	}
	ws.Cipher(payload, h.Mask, 0)
	return h, payload, nil
}

// closed handles the client's close frame and returns its code.
func (c *conn) closed(payload []byte) int {
	code, _ := ws.ParseCloseFrameData(payload)
	if len(payload) == 0 {
		code = ws.StatusNoStatusRcvd
	}
	c.p.mu.Lock()
	answer := !c.silent && !c.holdClose
	c.p.mu.Unlock()
	if answer {
		c.write(ws.OpClose, payload)
		_ = c.nc.Close()
	}
	return int(code)
}

func (c *conn) handle(h ws.Header, payload []byte) {
	c.p.mu.Lock()
	silent := c.silent
	c.p.mu.Unlock()
	switch {
	case h.OpCode == ws.OpPing && !silent:
		c.write(ws.OpPong, payload)
	case h.OpCode == ws.OpPing, h.OpCode == ws.OpPong:
	case h.OpCode != ws.OpText || !h.Fin:
		c.p.broken("C2", "messages as text frames", fmt.Sprintf("a frame with opcode %d, fin %v", h.OpCode, h.Fin))
	default:
		c.message(payload, silent)
	}
}

// message handles a message of the client.
func (c *conn) message(text []byte, silent bool) {
	m, err := c.parse(text)
	if err != nil {
		c.p.broken("C2", "a JSON object with an event", short(string(text)))
		return
	}
	c.p.mu.Lock()
	key := c.key
	c.p.mu.Unlock()
	if key != nil && m.Event == wire.EventEncrypted {
		c.checkIV(m.Data)
		inner, err := key.Open(nil, m.Data, nil)
		if err == nil {
			m, err = c.parse(inner)
		}
		if err != nil {
			c.p.broken("E3", "a message sealed with the key of this connection", err.Error())
			return
		}
		m.sealed = true
	}
	c.check(m)
	c.p.note(func() {
		c.received++
		c.p.traceLocked("client sent on %d: %s", c.number, m)
		if m.Event == wire.EventHeartbeat {
			c.heartbeats++
		} else {
			c.messages = append(c.messages, m)
		}
	})
	if m.Event == wire.EventHeartbeat && m.ID != "" && !silent {
		c.ack(m)
	}
}

func (c *conn) parse(text []byte) (*inbound, error) {
	v, err := wire.DecodeMessage(text)
	if err != nil {
		return nil, err
	}
	return &inbound{c: c, Event: v.Event, Data: bytes.Clone(v.Data), Room: v.Room, ID: v.ID, text: string(text)}, nil
}

// checkIV checks that no iv is used twice.
func (c *conn) checkIV(data json.RawMessage) {
	var sealed struct {
		IV string `json:"iv"`
	}
	_ = json.Unmarshal(data, &sealed) // Open reports what is wrong
	c.p.mu.Lock()
	twice := c.ivs[sealed.IV]
	c.ivs[sealed.IV] = true
	c.p.mu.Unlock()
	if twice {
		c.p.broken("E3", "a new iv for each message", "one that was used before")
	}
}

// check checks what holds for every message in every case.
func (c *conn) check(m *inbound) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	_, system := wire.LookupEvent(m.Event, wire.ProtocolVersion)
	switch first := c.received == 0; {
	case first != (m.Event == wire.EventAuthenticate):
		c.p.brokenLocked("C2", "authenticate as the first message of a connection, and only then", m.String())
	case !first && !c.greeted:
		c.p.brokenLocked("C3", "nothing after authenticate until connected was sent", m.String())
	case c.key != nil && !m.sealed && m.Event != wire.EventHeartbeat:
		c.p.brokenLocked("E3", "only sealed messages", m.String())
	case c.greeted && c.protocol < 2 && m.ID != "":
		c.p.brokenLocked("V2", "no id in protocol 1", m.String())
	case len([]rune(m.ID)) > wire.MaxMessageID:
		c.p.brokenLocked("Q1", "an id of at most 64 characters", m.String())
	case m.ID != "" && c.ids[m.ID]:
		c.p.brokenLocked("Q1", "an id that was not used before on this connection", m.String())
	case system && m.Event != wire.EventAuthenticate && m.Event != wire.EventJoin && m.Event != wire.EventLeave &&
		m.Event != wire.EventHeartbeat && m.Event != wire.EventRefresh:
		c.p.brokenLocked("F3", "an event that clients may send", m.String())
	}
	c.ids[m.ID] = true
}

// write writes a frame. It ignores errors: the reading goroutine notices the end.
func (c *conn) write(op ws.OpCode, payload []byte) {
	var b bytes.Buffer
	_ = ws.WriteHeader(&b, ws.Header{Fin: true, OpCode: op, Length: int64(len(payload))}) // a Buffer never fails
	b.Write(payload)
	c.writing.Lock()
	defer c.writing.Unlock()
	_ = c.nc.SetWriteDeadline(time.Now().Add(writeTime))
	_, _ = c.nc.Write(b.Bytes())
}
