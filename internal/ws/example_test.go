package ws_test

import (
	"fmt"
	"io"
	"net"
	"time"

	gobwas "github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

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
	text, _ := wsutil.ReadServerText(browser)
	fmt.Println(string(text))
	body := gobwas.NewCloseFrameBody(gobwas.StatusNormalClosure, "")
	_ = gobwas.WriteFrame(browser, gobwas.MaskFrame(gobwas.NewCloseFrame(body)))
	_, _ = io.Copy(io.Discard, browser)
	<-done
	_ = browser.Close()
	// Output:
	// hello
	// closed with 1000
}
