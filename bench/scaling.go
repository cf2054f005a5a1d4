package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/ignis-go/ignis/bench/internal/host"
	"github.com/ignis-go/ignis/internal/herd"
	"github.com/ignis-go/ignis/wire"
)

func scalingText(z sizes) string {
	return fmt.Sprintf("%s clients, %d bursts of %d messages with %d bytes of data on each number of cores",
		thousands(z.Clients), z.Bursts, z.Burst, z.Size)
}

// runScaling measures the same bursts on one core and on two.
func runScaling(ctx context.Context, t *trial) error {
	one, err := t.writeBursts(ctx, serverCore)
	if err != nil {
		return fmt.Errorf("one core: %w", err)
	}
	two, err := t.writeBursts(ctx, serverCore+","+herdCore)
	if err != nil {
		return fmt.Errorf("two cores: %w", err)
	}
	one.Values[keyTwo] = two.Values[keyRate]
	one.Values[keyCPUTwo] = two.Values[keyCPU]
	one.Values[keyGain] = two.Values[keyRate] / one.Values[keyRate]
	one.Lost += two.Lost
	one.Reordered += two.Reordered
	one.Repeated += two.Repeated
	one.Closed += two.Closed
	t.got["scaling"] = one
	return nil
}

// writeBursts measures how long the server takes to write bursts to the kernel while the herd, and thus
// everything else on the second core, is stopped.
func (t *trial) writeBursts(ctx context.Context, cores string) (out outcome, err error) {
	err = t.with(ctx, cores, order{Clients: t.Clients}, func(srv *server, h *herdProcess) error {
		var all report
		var wall, cpu time.Duration
		for i := range t.Bursts + 1 {
			if err := h.signal(syscall.SIGSTOP); err != nil {
				return err
			}
			w, c, err := t.writeBurst(ctx, srv, i)
			if err != nil {
				return err
			}
			if err := h.signal(syscall.SIGCONT); err != nil {
				return err
			}
			r, err := h.tell(ctx, order{Do: doCollect, Count: t.Burst})
			if err != nil {
				return err
			}
			if i == 0 { // a warm-up in which buffers grow
				continue
			}
			all.add(r)
			wall, cpu = wall+w, cpu+c
		}
		if all.Deliveries == 0 {
			return fmt.Errorf("nothing was delivered; %d clients were closed", all.Closed)
		}
		out = all.outcome(usage{})
		out.Values[keyRate] = float64(all.Deliveries) / wall.Seconds()
		out.Values[keyCPU] = per(cpu, all.Deliveries)
		return nil
	})
	return out, err
}

// writeBurst publishes a burst. It returns the wall and CPU time that the server needed to write all of it
// to the kernel. The server has done so when it stops using CPU time.
func (t *trial) writeBurst(ctx context.Context, srv *server, nr int) (wall, cpu time.Duration, err error) {
	burst := publications(payloads(nr*t.Burst, t.Burst, t.Size))
	if err := waitQuiet(ctx, srv.pid()); err != nil {
		return 0, 0, err
	}
	before, err := herd.CPUTime(srv.pid())
	if err != nil {
		return 0, 0, err
	}
	redis, err := t.dialRedis(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = redis.Close() }() // the replies are not needed
	began := time.Now()
	if _, err := redis.Write(burst); err != nil {
		return 0, 0, err
	}
	ended, after, err := watchWork(ctx, srv.pid(), before)
	if err != nil {
		return 0, 0, err
	}
	waiting, err := get(ctx, "http://"+srv.addr+"/waiting")
	if err != nil {
		return 0, 0, err
	}
	if waiting != "0" {
		return 0, 0, fmt.Errorf("a burst does not fit into the socket buffers of %s clients; use a smaller -burst or -size", waiting)
	}
	return ended.Sub(began), after - before, nil
}

// watchWork waits until a process has used almost no CPU time for 50 ms. It returns the time at which the
// process last used CPU time, and how much it had used by then.
func watchWork(ctx context.Context, pid int, before time.Duration) (last time.Time, cpu time.Duration, err error) {
	const step, rest = time.Millisecond, 50 * time.Millisecond
	last, cpu = time.Now(), before
	for began := time.Now(); ctx.Err() == nil; {
		time.Sleep(step)
		now, at := time.Duration(0), time.Now()
		if now, err = herd.CPUTime(pid); err != nil {
			return last, cpu, err
		}
		switch {
		case now-before > step/10:
			last, cpu = at, now
		case at.Sub(last) > rest && at.Sub(began) > 2*rest:
			return last, cpu, nil
		}
		before = now
	}
	return last, cpu, context.Cause(ctx)
}

func (l *lab) dialRedis(ctx context.Context) (net.Conn, error) {
	u, err := url.Parse(l.redis)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", u.Host)
}

// publications returns the Redis commands that publish messages with the given data to the default room.
func publications(data []string) (commands []byte) {
	e := wire.Envelope{ServerID: wire.EmitterID, To: wire.ToRoom(wire.RoomDefault), Event: host.Event}
	for _, d := range data {
		e.Data = []byte(d)
		text := wire.AppendEnvelope(nil, &e)
		commands = fmt.Appendf(commands, "*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n",
			len(e.To.Channel()), e.To.Channel(), len(text), text)
	}
	return commands
}

// get returns the trimmed body of a response with status 200.
func get(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, res.Status)
	}
	return strings.TrimSpace(string(text)), err
}
