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

// echo sends back the messages that it receives.
type echo struct {
	conn *ws.Conn
	done chan struct{}
}

func (e *echo) Message(payload []byte, _ bool) {
	e.conn.Enqueue(ws.Text(len(payload), func(b []byte) []byte { return append(b, payload...) }))
}
func (e *echo) Ended(end ws.End) { fmt.Println("closed with", end.Code) }
func (e *echo) Throttled()       {}
func (e *echo) Finished()        { close(e.done) }

func Example() {
	engine := ws.NewEngine(ws.EngineConfig{Threads: 1, Plain: true})
	defer engine.Close()
	opts := ws.Options{
		Engine: engine, MaxPayload: 1 << 10, BackpressureLimit: 1 << 20, CloseTimeout: time.Second,
	}
	server, browser := net.Pipe() // a real server gets its end from ws.Upgrade

	e := &echo{conn: ws.NewConn(server, 0, &opts), done: make(chan struct{})}
	e.conn.Start(nil, e)

	_ = gobwas.WriteFrame(browser, gobwas.MaskFrame(gobwas.NewTextFrame([]byte("hello"))))
	text, _ := wsutil.ReadServerText(browser)
	fmt.Println(string(text))
	body := gobwas.NewCloseFrameBody(gobwas.StatusNormalClosure, "")
	_ = gobwas.WriteFrame(browser, gobwas.MaskFrame(gobwas.NewCloseFrame(body)))
	_, _ = io.Copy(io.Discard, browser)
	<-e.done
	_ = browser.Close()
	// Output:
	// hello
	// closed with 1000
}
