package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/ignis-go/ignis/internal/herd"
)

func crowdText(z sizes) string {
	return fmt.Sprintf("%s clients, at least %v until memory is read, %v of idling", thousands(z.Crowd), z.Settle, z.Idle)
}

// runCrowd measures connecting a crowd of clients, and their memory and CPU time while they are idle.
func runCrowd(ctx context.Context, t *trial) error {
	srv, err := t.serve(ctx, t.system, serverCore)
	if err != nil {
		return err
	}
	defer srv.kill()
	h, err := t.startHerd(srv)
	if err != nil {
		return err
	}
	defer h.kill()
	before, err := readKernelMemory()
	if err != nil {
		return err
	}
	// The kernel may keep the memory of earlier clients and reuse it, so the lowest value is the base.
	if t.slab == 0 || before.slab < t.slab {
		t.slab = before.slab
	}
	if err := t.connect(ctx, srv, h); err != nil {
		return err
	}
	if t.wants("memory") {
		if err := t.memory(ctx, srv, before); err != nil {
			return err
		}
	}
	if t.wants("idle") {
		if err := t.idle(ctx, srv, h); err != nil {
			return err
		}
	}
	return srv.alive()
}

func (t *trial) connect(ctx context.Context, srv *server, h *herdProcess) error {
	r, u, err := measured(ctx, srv, h, order{Do: doConnect, Clients: t.Crowd})
	if err != nil {
		return err
	}
	if t.wants("connect") {
		o := r.outcome(u)
		o.Values[keyCPU] = per(u.cpu, int64(t.Crowd))
		o.Values[keyRate] = float64(t.Crowd) / r.Wall.Seconds()
		t.got["connect"] = o
	}
	return waitQuiet(ctx, srv.pid())
}

// memory measures the memory of the server and the kernel once the server's memory has settled.
func (t *trial) memory(ctx context.Context, srv *server, before kernelMemory) error {
	if err := pause(ctx, t.Settle); err != nil {
		return err
	}
	resident, err := settled(ctx, srv.pid(), t.Settle/4)
	if err != nil {
		return err
	}
	kernel, err := readKernelMemory()
	if err != nil {
		return err
	}
	clients := float64(t.Crowd)
	t.got["memory"] = outcome{Values: map[string]float64{
		keyMemory: resident / clients,
		keyGrowth: (resident - srv.empty) / clients,
		keyKernel: (kernel.slab - t.slab) / clients,
		keyTCP:    (kernel.tcp - before.tcp) / clients,
	}}
	return nil
}

// settled waits until the resident size of a process changes by less than 1 % in a step, but at most
// twelve steps, and returns it.
func settled(ctx context.Context, pid int, step time.Duration) (float64, error) {
	size, err := herd.ResidentSize(pid)
	for range 12 {
		if err != nil {
			return 0, err
		}
		if err := pause(ctx, step); err != nil {
			return 0, err
		}
		before := size
		size, err = herd.ResidentSize(pid)
		if err == nil && math.Abs(size-before) < before/100 {
			return size, nil
		}
	}
	return size, err
}

func (t *trial) idle(ctx context.Context, srv *server, h *herdProcess) error {
	s, err := beginSpan(srv.pid(), h.pid(), h.redisPID)
	if err != nil {
		return err
	}
	if err := pause(ctx, t.Idle); err != nil {
		return err
	}
	u, err := s.end()
	if err != nil {
		return err
	}
	t.got["idle"] = outcome{
		Values:   map[string]float64{keyCPU: u.cpu.Seconds() / float64(t.Crowd) / u.wall.Seconds()},
		HerdBusy: u.herdBusy, Foreign: u.foreign,
	}
	return nil
}
