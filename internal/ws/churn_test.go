package ws

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/internal/longtest"
)

// Hundreds of connections open and close in every way while messages are sent to all of
// them. Afterwards no descriptors and no goroutines are left (TestMain checks for
// goroutines).
func TestChurn(t *testing.T) {
	longtest.Mark(t)
	server, client := tcpPair(t) // makes the runtime open its own descriptors
	_, _ = server.Close(), client.Close()
	before := descriptors(t)
	engine := NewEngine(EngineConfig{Threads: 2, PollFailed: func(err error) { t.Error(err) }})
	opts := defaults()
	opts.Engine, opts.BackpressureLimit, opts.CloseTimeout = engine, 1<<20, 50*time.Millisecond
	opts.SealFailed = func(error) {}

	var mu sync.Mutex
	here := map[*Conn]bool{}
	stop := make(chan struct{})
	var senders, lives sync.WaitGroup
	m := text(string(make([]byte, 5000)))
	for range 2 {
		senders.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				mu.Lock()
				for c := range here {
					c.Enqueue(m)
				}
				mu.Unlock()
				runtime.Gosched()
			}
		})
	}
	slots := make(chan struct{}, 50)
	for i := range 600 {
		slots <- struct{}{}
		server, client := transports[i%len(transports)].pair(t)
		lives.Go(func() {
			defer func() { <-slots }()
			c := NewConn(server, 0, &opts)
			mu.Lock()
			here[c] = true
			mu.Unlock()
			l := begin(c, nil, ignore)
			lives.Go(func() { behave(l, c, client, i) })
			<-l.ended
			mu.Lock()
			delete(here, c)
			mu.Unlock()
			<-l.finished
		})
	}
	lives.Wait()
	close(stop)
	senders.Wait()
	engine.Close()
	if after := descriptors(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// behave plays a peer that reads little or nothing, and then ends the connection in one of
// several ways.
func behave(l *life, c *Conn, client net.Conn, i int) {
	defer func() { _ = client.Close() }()
	_ = client.SetDeadline(time.Now().Add(patience))
	if i%7 != 0 {
		for range rand.IntN(50) {
			if _, err := readFrame(client); err != nil {
				return
			}
		}
	}
	switch i % 6 {
	case 0:
		c.Close(1000, "")
	case 1:
		c.Abort(CauseIdle)
	case 2:
		_, _ = client.Write(masked(ws.OpClose, true, ""))
	case 3:
		_, _ = client.Write([]byte("garbage"))
	case 4:
		c.Hold()
		c.Seal(tilde, rand.IntN(2) == 0)
		c.Release()
		<-l.finished // the limit is reached first
	}
}

func descriptors(t *testing.T) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc to count descriptors in: ", fmt.Sprint(err))
	}
	return len(list)
}
