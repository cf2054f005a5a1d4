// Command centrifuge is the comparison's server made with
// github.com/centrifugal/centrifuge: a node with its broker in memory. Clients
// speak its protocol (JSON) and are subscribed to the default rooms by the
// server. What they get as a publication is the message that clients of the
// other servers get.
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
		MaxMessagesInFrame: -1, // as many as are pending
	}, nil
}

func deliver(node *centrifuge.Node) host.Deliver {
	return func(room string, payload []byte) {
		if room == "" {
			room = wire.RoomDefault // everyone is in it
		}
		if _, err := node.Publish(room, payload); err != nil {
			slog.Warn("publish", "error", err)
		}
	}
}
