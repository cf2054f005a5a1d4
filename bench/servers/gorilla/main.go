// Command gorilla is a server for the comparison that uses github.com/gorilla/websocket
// in the way its examples do: each client has a goroutine that reads and one that writes
// prepared messages from a channel. A client whose channel is full is closed.
package main

import (
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ignis-go/ignis/bench/internal/host"
	"github.com/ignis-go/ignis/wire"
)

// These values are those of the examples.
const (
	writeWait  = 10 * time.Second
	pongWait   = 60 * time.Second
	pingPeriod = pongWait * 9 / 10
	queue      = 256 // messages
)

func main() {
	host.Main(func() (http.Handler, host.Deliver, error) {
		h := &hub{
			rooms: host.NewRooms[*client](),
			up:    websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024, WriteBufferPool: &sync.Pool{}},
		}
		mux := http.NewServeMux()
		mux.Handle(wire.DefaultPath, h)
		return mux, h.deliver, nil
	})
}

type hub struct {
	rooms *host.Rooms[*client]
	up    websocket.Upgrader
}

type client struct {
	conn *websocket.Conn
	send chan *websocket.PreparedMessage
	gone chan struct{} // closed when read has returned
	once sync.Once
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := h.up.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has sent an error response
	}
	c := &client{conn: conn, send: make(chan *websocket.PreparedMessage, queue), gone: make(chan struct{})}
	go c.write()
	go h.read(c) // so that this function returns and the memory of the request is freed
}

func (h *hub) read(c *client) {
	var self *host.Member[*client]
	defer func() {
		close(c.gone)
		_ = c.conn.Close()
		if self != nil {
			h.rooms.Remove(self)
		}
	}()
	c.conn.SetReadLimit(wire.DefaultMaxPayload)
	extend := func(string) error { return c.conn.SetReadDeadline(time.Now().Add(pongWait)) }
	c.conn.SetPongHandler(extend)
	_ = extend("")
	for {
		_, text, err := c.conn.ReadMessage()
		if err != nil {
			return
		}
		m, err := wire.DecodeMessage(text)
		switch {
		case err != nil:
		case self == nil && m.Event == wire.EventAuthenticate:
			self = h.rooms.Enter(c)
			c.enqueue(host.Connected(self.ID))
		case self != nil && m.Event == wire.EventJoin:
			h.rooms.Join(self, host.Names(m))
		}
	}
}

func (c *client) write() {
	ticker := time.NewTicker(pingPeriod)
	defer ticker.Stop()
	defer c.conn.Close()
	for {
		var err error
		select {
		case m := <-c.send:
			_ = c.conn.SetWriteDeadline(time.Now().Add(writeWait))
			err = c.conn.WritePreparedMessage(m)
		case <-ticker.C:
			err = c.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeWait))
		case <-c.gone:
			return
		}
		if err != nil {
			return
		}
	}
}

func (c *client) enqueue(payload []byte) {
	if m, err := websocket.NewPreparedMessage(websocket.TextMessage, payload); err == nil {
		c.push(m)
	}
}

// push queues a message, or closes the client if its queue is full.
func (c *client) push(m *websocket.PreparedMessage) {
	select {
	case c.send <- m:
	default:
		c.once.Do(func() { _ = c.conn.Close() })
	}
}

func (h *hub) deliver(room string, payload []byte) {
	m, err := websocket.NewPreparedMessage(websocket.TextMessage, payload)
	if err != nil {
		return
	}
	h.rooms.Each(room, func(to *host.Member[*client]) { to.Conn.push(m) })
}
