package ignis_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// A client that always has some messages waiting takes no more memory with time.
func TestJobsOfAFloodDoNotGrow(t *testing.T) {
	const total = 60_000
	next := make(chan struct{})
	n := start(t, ignis.Config{OnMessage: func(context.Context, *ignis.Client, wire.Message) error {
		<-next
		return nil
	}})
	p := n.login("ann")
	go func() { // it is always ahead of the callback
		for range total {
			p.text(`{"event":"x","data":1}`)
		}
	}()
	for range 2000 {
		next <- struct{}{}
	}
	before := ignis.JobCapacity(n.Server)
	const rest = 100
	for range total - 2000 - rest {
		next <- struct{}{}
	}
	defer func() {
		for range rest {
			next <- struct{}{}
		}
	}()
	if after := ignis.JobCapacity(n.Server); after > max(2*before, 512) {
		t.Errorf("room for %d jobs, and after many more messages for %d", before, after)
	}
	runtime.KeepAlive(p)
}

// A CheckOrigin that panics is the end of its request, and not of an orderly
// shutdown.
func TestCheckOriginPanics(t *testing.T) {
	n := startMem(t, ignis.Config{CheckOrigin: func(*http.Request) bool { panic("no luck") }})
	func() {
		defer func() { _ = recover() }()
		n.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/ws", nil))
	}()
	n.stop()
	if err := <-n.ran; err != nil {
		t.Error(err)
	}
	n.ran <- nil
}
