package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/client"
)

func Example() {
	ctx := context.Background()
	url, stop := exampleServer()
	defer stop()

	c, err := client.Dial(ctx, url, client.Config{
		Credentials: map[string]string{"type": "Bearer", "token": "a token"},
	})
	if errors.Is(err, client.ErrAuthentication) {
		log.Fatal("get a new token: ", err)
	}
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	if _, err := c.Join(ctx, "lobby"); err != nil {
		log.Fatal(err)
	}
	if err := c.Send(ctx, "chat", map[string]string{"room": "lobby", "text": "hello"}); err != nil {
		log.Fatal(err)
	}
	for {
		m, err := c.Receive(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s %s\n", m.Event, m.Data)
	}
	// Output:
	// notice {"text":"welcome"}
	// server closed the connection: 1001 "Server shutting down" (reconnect, to another instance if there is one)
}

// exampleServer receives three messages, says welcome and shuts down.
func exampleServer() (url string, stop func()) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, rw, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			return
		}
		defer conn.Close()
		for _, f := range [][]byte{
			encode(ws.OpText, authenticated),
			encode(ws.OpText, `{"event":"notice","data":{"text":"welcome"}}`),
			encode(ws.OpClose, string(ws.NewCloseFrameBody(1001, "Server shutting down"))),
		} {
			h, err := ws.ReadHeader(rw)
			if err != nil {
				return
			}
			_, _ = io.CopyN(io.Discard, rw, h.Length)
			_, _ = conn.Write(f)
		}
		_, _ = io.Copy(io.Discard, rw)
	}))
	return "ws" + strings.TrimPrefix(s.URL, "http") + "/ws", s.Close
}
