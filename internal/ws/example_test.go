package ws_test

import (
	"fmt"
	"net"
	"time"

	gobwas "github.com/gobwas/ws"

	"github.com/ignis-go/ignis/internal/ws"
)

func Example() {
	flusher := ws.NewFlusher(1)
	defer flusher.Close()
	opts := ws.Options{
		Flusher: flusher, MaxPayload: 1 << 10, BackpressureLimit: 1 << 20, CloseTimeout: time.Second,
	}
	server, browser := net.Pipe() // a server has it from ws.Upgrade

	done := make(chan struct{})
	go func() {
		defer close(done)
		conn := ws.NewConn(server, &opts)
		end := conn.Serve(nil, func(payload []byte, _ bool) {
			conn.Enqueue(ws.Text(len(payload), func(b []byte) []byte { return append(b, payload...) }))
		})
		conn.Finish()
		fmt.Println("closed with", end.Code)
	}()

	_ = gobwas.WriteFrame(browser, gobwas.MaskFrame(gobwas.NewTextFrame([]byte("hello"))))
	frame, _ := gobwas.ReadFrame(browser)
	fmt.Println(string(frame.Payload))
	body := gobwas.NewCloseFrameBody(gobwas.StatusNormalClosure, "")
	_ = gobwas.WriteFrame(browser, gobwas.MaskFrame(gobwas.NewCloseFrame(body)))
	_, _ = gobwas.ReadFrame(browser)
	<-done
	_ = browser.Close()
	// Output:
	// hello
	// closed with 1000
}
