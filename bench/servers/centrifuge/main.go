// Command centrifuge is a server for the comparison that uses
// github.com/centrifugal/centrifuge: a single node with an in-memory broker. Clients use
// its JSON protocol, and the server subscribes them to the default rooms. The data of a
// publication is the message that the other servers send.
package main

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/centrifugal/centrifuge"

	"github.com/ignis-go/ignis/bench/internal/host"
	"github.com/ignis-go/ignis/wire"
)

func main() {
	host.Main(func() (http.Handler, host.Deliver, error) {
		node, err := centrifuge.New(centrifuge.Config{})
		if err != nil {
			return nil, nil, err
		}
		node.OnConnecting(connecting)
		node.OnConnect(func(*centrifuge.Client) {})
		if err := node.Run(); err != nil {
			return nil, nil, err
		}
		mux := http.NewServeMux()
		mux.Handle(wire.DefaultPath, centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{
			ReadBufferSize: 1024, UseWriteBufferPool: true,
			MessageSizeLimit:           wire.DefaultMaxPayload,
			ProcessCommandsOffReadLoop: true, // less memory per client
		}))
		return mux, deliver(node), nil
	})
}

func connecting(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
	return centrifuge.ConnectReply{
		Credentials: &centrifuge.Credentials{},
		Subscriptions: map[string]centrifuge.SubscribeOptions{
			wire.RoomDefault: {}, wire.RoomNotification: {},
		},
		MaxMessagesInFrame: -1, // unlimited
	}, nil
}

func deliver(node *centrifuge.Node) host.Deliver {
	return func(room string, payload []byte) {
		if room == "" {
			room = wire.RoomDefault // contains everyone
		}
		if _, err := node.Publish(room, payload); err != nil {
			slog.Warn("publish", "error", err)
		}
	}
}
