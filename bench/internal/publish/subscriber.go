package publish

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ignis-go/ignis/wire"
)

// room is the room or channel of the messages. Ignis adds each client to it.
const room = wire.RoomDefault

// subscriber is a client that receives the messages.
type subscriber struct {
	conn  *websocket.Conn
	flow  *flow
	buf   []byte
	ended chan struct{} // closed when read has returned
}

// subscribe connects a subscriber.
func subscribe(c Config, f *flow) (*subscriber, error) {
	path, hello, ready := wire.DefaultPath, `{"event":"authenticate","data":{"type":"Bearer","token":"t"}}`, `{"event":"`+wire.EventConnected+`"`
	if c.Centrifugo {
		path = "/connection/websocket?cf_ws_frame_ping_pong=true" // use regular WebSocket pings
		hello = `{"id":1,"connect":{}}` + "\n" + `{"id":2,"subscribe":{"channel":"` + room + `"}}`
		ready = `"subscribe":{`
	}
	d := websocket.Dialer{HandshakeTimeout: patience, ReadBufferSize: 256 << 10}
	conn, res, err := d.Dial("ws://"+c.Addr+path, nil)
	if err != nil {
		if res != nil {
			err = fmt.Errorf("%w: %s", err, res.Status)
		}
		return nil, err
	}
	s := &subscriber{conn: conn, flow: f, ended: make(chan struct{})}
	if err := s.enter(hello, ready); err != nil {
		_ = conn.Close()
		return nil, err
	}
	go s.read()
	return s, nil
}

// enter sends a message, and waits for an answer that contains ready.
func (s *subscriber) enter(hello, ready string) error {
	_ = s.conn.SetReadDeadline(time.Now().Add(patience))
	if err := s.conn.WriteMessage(websocket.TextMessage, []byte(hello)); err != nil {
		return err
	}
	for {
		_, text, err := s.conn.ReadMessage()
		switch {
		case err != nil:
			return err
		case bytes.Contains(text, []byte(`"error"`)):
			return fmt.Errorf("the server refused the subscriber: %.200s", text)
		case bytes.Contains(text, []byte(ready)):
			return s.conn.SetReadDeadline(time.Time{})
		}
	}
}

// read counts messages until the connection ends.
func (s *subscriber) read() {
	defer close(s.ended)
	for {
		text, err := s.frame()
		if err != nil {
			s.flow.stop(fmt.Errorf("the subscriber's connection has ended: %w", err))
			return
		}
		s.count(text)
	}
}

// frame returns the next message of the connection, which is valid until the next call.
func (s *subscriber) frame() ([]byte, error) {
	_, r, err := s.conn.NextReader()
	if err != nil {
		return nil, err
	}
	s.buf = s.buf[:0]
	for {
		if len(s.buf) == cap(s.buf) {
			s.buf = append(s.buf, make([]byte, 4<<10+cap(s.buf))...)[:len(s.buf)]
		}
		n, err := r.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+n]
		if errors.Is(err, io.EOF) {
			return s.buf, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// count counts all messages in a text. Centrifugo may put several into a frame.
func (s *subscriber) count(text []byte) {
	s.flow.mu.Lock()
	defer s.flow.mu.Unlock()
	for {
		i := bytes.Index(text, []byte(dataStart))
		if i < 0 || len(text) < i+len(dataHead) {
			return
		}
		text = text[i:]
		s.flow.received(int(decimal(text[atSender:atSender+senderDigits])), decimal(text[atNumber:atNumber+numberDigits]))
		text = text[len(dataHead):]
	}
}

func (s *subscriber) close() {
	_ = s.conn.Close()
	<-s.ended
}
