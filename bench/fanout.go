package main

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// with starts a server on the given cores and a herd, and calls f once the herd's clients are
// authenticated and in their rooms.
func (t *trial) with(ctx context.Context, cores string, o order, f func(srv *server, h *herdProcess) error) error {
	var flags []string
	if o.Encrypt {
		flags = append(flags, "-encrypt")
	}
	srv, err := t.serve(ctx, t.system, cores, flags...)
	if err != nil {
		return err
	}
	defer srv.kill()
	h, err := t.startHerd(srv)
	if err != nil {
		return err
	}
	defer h.kill()
	o.Do = doConnect
	if _, err := h.tell(ctx, o); err != nil {
		return err
	}
	if err := waitQuiet(ctx, srv.pid()); err != nil {
		return err
	}
	if err := f(srv, h); err != nil {
		return err
	}
	return srv.alive()
}

// measured gives the herd an order, and measures the server until the order is done.
func measured(ctx context.Context, srv *server, h *herdProcess, o order) (report, usage, error) {
	s, err := beginSpan(srv.pid(), h.pid(), h.redisPID)
	if err != nil {
		return report{}, usage{}, err
	}
	r, err := h.tell(ctx, o)
	if err != nil {
		return report{}, usage{}, err
	}
	u, err := s.end()
	return r, u, err
}

func burstText(z sizes) string {
	return fmt.Sprintf("%s clients, bursts of %d messages with %d bytes of data, up to %d bursts a round",
		thousands(z.Clients), z.Burst, z.Size, z.Bursts)
}

func runBurst(ctx context.Context, t *trial) error {
	return t.with(ctx, serverCore, order{Clients: t.Clients}, func(srv *server, h *herdProcess) error {
		o, err := t.bursts(ctx, srv, h, order{Do: doBurst, Count: t.Burst, Size: t.Size}, t.Bursts)
		t.got["burst"] = o
		return err
	})
}

// bursts makes the herd publish n bursts, or fewer if they take longer than t.Limit, and adds up the
// results.
func (t *trial) bursts(ctx context.Context, srv *server, h *herdProcess, o order, n int) (outcome, error) {
	// The first burst is a warm-up in which buffers grow. It is not counted.
	warm, err := h.tell(ctx, o)
	if err != nil {
		return outcome{}, err
	}
	if err := waitQuiet(ctx, srv.pid()); err != nil {
		return outcome{}, err
	}
	all := report{Closed: warm.Closed, Live: warm.Live}
	var sum usage
	var span time.Duration
	for began := time.Now(); n > 0 && all.Live > 0 && time.Since(began) < t.Limit; n-- {
		r, u, err := measured(ctx, srv, h, o)
		if err != nil {
			return outcome{}, err
		}
		all.add(r)
		sum.cpu += u.cpu
		wall := u.wall.Seconds()
		sum.herdBusy += u.herdBusy * wall
		sum.foreign += u.foreign * wall
		span += u.wall
	}
	if all.Deliveries == 0 { // all clients were closed
		return all.outcome(usage{}), nil
	}
	sum.herdBusy /= span.Seconds()
	sum.foreign /= span.Seconds()
	out := all.outcome(sum)
	out.Values[keyRate] = float64(all.Deliveries) / all.Wall.Seconds()
	out.Values[keyCPU] = per(sum.cpu, all.Deliveries)
	return out, nil
}

func (r *report) add(o report) {
	r.Wall += o.Wall
	r.Deliveries += o.Deliveries
	r.Lost += o.Lost
	r.Reordered += o.Reordered
	r.Repeated += o.Repeated
	r.Closed += o.Closed
	r.Live = o.Live
}

func steadyText(z sizes) string {
	return fmt.Sprintf("%s clients, %d bytes of data, %v a round", thousands(z.Clients), z.Size, z.Steady)
}

func runSteady(ctx context.Context, t *trial) error {
	return t.with(ctx, serverCore, order{Clients: t.Clients}, func(srv *server, h *herdProcess) error {
		o, err := steady(ctx, srv, h, order{Do: doSteady, Interval: 100 * time.Millisecond, Duration: t.Steady, Size: t.Size})
		t.got["steady"] = o
		return err
	})
}

// steady measures CPU time per delivery and latencies.
func steady(ctx context.Context, srv *server, h *herdProcess, o order) (outcome, error) {
	r, u, err := measured(ctx, srv, h, o)
	if err != nil {
		return outcome{}, err
	}
	out := r.outcome(u)
	if r.Deliveries == 0 {
		return out, fmt.Errorf("nothing was delivered; %d clients were closed", r.Closed)
	}
	out.Values[keyCPU] = per(u.cpu, r.Deliveries)
	out.Values[keyP50] = r.P50.Seconds()
	out.Values[keyP99] = r.P99.Seconds()
	return out, nil
}

func chatText(z sizes) string {
	return fmt.Sprintf("%d rooms of %d, %d bytes of data, %v a round", z.Rooms, z.Clients/z.Rooms, z.Size, z.Chat)
}

func runChat(ctx context.Context, t *trial) error {
	o := order{Clients: t.Clients / t.Rooms * t.Rooms, Rooms: t.Rooms}
	return t.with(ctx, serverCore, o, func(srv *server, h *herdProcess) error {
		o, err := steady(ctx, srv, h, order{Do: doChat, Interval: min(5*time.Second, t.Chat/2), Duration: t.Chat, Size: t.Size, Rooms: t.Rooms})
		t.got["chat"] = o
		return err
	})
}

func slowText(z sizes) string {
	return fmt.Sprintf("%s clients, %s of them slow, %d bytes of data, %v with and %v without",
		thousands(z.Crowd), thousands(z.slow()), z.Size, z.Steady, z.Steady)
}

// slow returns the number of clients that do not read: 1 %, but at least one.
func (z sizes) slow() int { return max(1, z.Crowd/100) }

func runSlow(ctx context.Context, t *trial) error {
	n := t.slow()
	return t.with(ctx, serverCore, order{Clients: t.Crowd - n}, func(srv *server, h *herdProcess) error {
		o := order{Do: doSteady, Interval: 500 * time.Millisecond, Duration: t.Steady, Size: t.Size}
		without, err := steady(ctx, srv, h, o)
		if err != nil {
			return err
		}
		if _, err := h.tell(ctx, order{Do: doChoke, Clients: n}); err != nil {
			return err
		}
		if err := t.checkSlow(ctx, srv, n); err != nil {
			return err
		}
		out, err := steady(ctx, srv, h, o)
		if err != nil {
			return err
		}
		out.Lost += without.Lost
		out.Reordered += without.Reordered
		out.Repeated += without.Repeated
		out.HerdBusy = max(out.HerdBusy, without.HerdBusy)
		out.Foreign = max(out.Foreign, without.Foreign)
		out.Values[keyWithout] = without.Values[keyP99]
		out.Values[keyChange] = out.Values[keyP99] / without.Values[keyP99]
		t.got["slow"] = out
		return nil
	})
}

// checkSlow returns an error unless the server has a backlog for each slow client. It checks only this
// library's server, because the others do not report it.
func (t *trial) checkSlow(ctx context.Context, srv *server, n int) error {
	if err := waitQuiet(ctx, srv.pid()); err != nil || !t.system.isOurs() {
		return err
	}
	waiting, err := get(ctx, "http://"+srv.addr+"/waiting")
	if err == nil && waiting != strconv.Itoa(n) {
		err = fmt.Errorf("%d clients do not read, but the server has a backlog for %s clients", n, waiting)
	}
	return err
}

// redisWindow is the maximum number of messages in flight to the client. Including the overhead that a
// server counts for each, they take 1.3 MB, which fit into the socket and the backlog of a server. Without
// a limit, servers would disconnect the client as too slow, because it shares its core with Redis.
const redisWindow = 4096

func redisText(z sizes) string {
	return fmt.Sprintf("1 client, %s messages with %d bytes of data, at most %s in flight",
		thousands(z.Messages), z.Size, thousands(redisWindow))
}

func runRedis(ctx context.Context, t *trial) error {
	return t.with(ctx, serverCore, order{Clients: 1}, func(srv *server, h *herdProcess) error {
		o, err := t.bursts(ctx, srv, h, order{Do: doBurst, Count: t.Messages, Size: t.Size, Window: redisWindow}, 1)
		t.got["redis"] = o
		return err
	})
}

// thousands formats a count with separators.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
