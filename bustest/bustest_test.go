package bustest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/bustest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemory(t *testing.T) {
	bustest.Run(t, func(_ *testing.T, nodes int) []ignis.Bus { return bustest.NewCluster(nodes) })
}

func TestMemoryInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := bustest.NewCluster(100)
		ctx, cancel := context.WithCancel(t.Context())
		got := make([]int, len(nodes))
		results := make(chan error, len(nodes))
		for i, bus := range nodes {
			go func() { results <- bus.Run(ctx, func() {}, func(envelopes ...[]byte) { got[i] += len(envelopes) }) }()
		}
		synctest.Wait()
		start := time.Now()
		for _, bus := range nodes {
			if err := bus.Publish("ws:broadcast", []byte("{}")); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		for i, n := range got {
			if n != len(nodes) {
				t.Errorf("node %d received %d, want %d", i, n, len(nodes))
			}
		}
		if now := time.Now(); !now.Equal(start) {
			t.Errorf("it took %v of fake time", now.Sub(start))
		}
		cancel()
		for range nodes {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestMemoryMonitorAndSecondRun(t *testing.T) {
	bus := bustest.NewCluster(1)[0]
	monitor := bus.(ignis.BusMonitor)
	if err := monitor.Health(); !errors.Is(err, bustest.ErrNotRunning) {
		t.Errorf("Health before Run = %v", err)
	}
	for range 2 { // Run may be called again
		ctx, cancel := context.WithCancel(t.Context())
		err := bus.Run(ctx, func() {
			if err := monitor.Health(); err != nil {
				t.Errorf("Health = %v", err)
			}
			if err := bus.Run(ctx, func() {}, func(...[]byte) {}); err == nil {
				t.Error("a second Run at the same time returned no error")
			}
			cancel()
		}, func(...[]byte) {})
		if err != nil {
			t.Error(err)
		}
	}
}

func ExampleNewCluster() {
	nodes := bustest.NewCluster(2)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ready := make(chan struct{}, 2)
	done := make(chan error, 2)
	for i, bus := range nodes {
		go func() {
			done <- bus.Run(ctx, func() { ready <- struct{}{} }, func(envelopes ...[]byte) {
				if i == 1 {
					fmt.Printf("%s\n", envelopes[0])
					cancel()
				}
			})
		}()
	}
	<-ready
	<-ready
	_ = nodes[0].Publish("ws:broadcast", []byte(`{"serverId":"a","type":"broadcast","event":"hi"}`))
	<-done
	<-done
	// Output: {"serverId":"a","type":"broadcast","event":"hi"}
}
