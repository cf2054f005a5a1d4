// Command gws is a server for the comparison that uses github.com/lxzan/gws and sends
// messages with its Broadcaster.
package main

import (
	"log/slog"
	"net/http"

	"github.com/lxzan/gws"

	"github.com/ignis-go/ignis/bench/internal/host"
	"github.com/ignis-go/ignis/wire"
)

func main() {
	host.Main(func() (http.Handler, host.Deliver, error) {
		e := &events{rooms: host.NewRooms[*gws.Conn]()}
		mux := http.NewServeMux()
		mux.Handle(wire.DefaultPath, e.handler())
		return mux, e.deliver, nil
	})
}

// member is the session key of a connection's *host.Member.
const member = "member"

type events struct {
	gws.BuiltinEventHandler
	rooms *host.Rooms[*gws.Conn]
}

func (e *events) handler() http.Handler {
	up := gws.NewUpgrader(e, &gws.ServerOption{ReadMaxPayloadSize: wire.DefaultMaxPayload, ReadBufferSize: 1024})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := up.Upgrade(w, r)
		if err != nil {
			slog.Debug("upgrade", "error", err)
			return
		}
		go c.ReadLoop() // so that this function returns and the memory of the request is freed
	})
}

func (e *events) OnPing(c *gws.Conn, payload []byte) { _ = c.WritePong(payload) }

func (e *events) OnMessage(c *gws.Conn, message *gws.Message) {
	defer message.Close()
	m, err := wire.DecodeMessage(message.Bytes())
	if err != nil {
		return
	}
	v, _ := c.Session().Load(member)
	self, _ := v.(*host.Member[*gws.Conn])
	switch {
	case self == nil && m.Event == wire.EventAuthenticate:
		self = e.rooms.Enter(c)
		c.Session().Store(member, self)
		_ = c.WriteMessage(gws.OpcodeText, host.Connected(self.ID))
	case self != nil && m.Event == wire.EventJoin:
		e.rooms.Join(self, host.Names(m))
	}
}

func (e *events) OnClose(c *gws.Conn, _ error) {
	if v, ok := c.Session().Load(member); ok {
		e.rooms.Remove(v.(*host.Member[*gws.Conn]))
	}
}

func (e *events) deliver(room string, payload []byte) {
	b := gws.NewBroadcaster(gws.OpcodeText, payload)
	defer b.Close()
	e.rooms.Each(room, func(m *host.Member[*gws.Conn]) { _ = b.Broadcast(m.Conn) })
}
