package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"time"

	"github.com/ignis-go/ignis/bench/internal/flock"
)

// herdMain is the herd's process: it obeys the orders on in until that ends.
func herdMain(ctx context.Context, in io.Reader, out io.Writer) error {
	var f *flock.Flock
	defer func() {
		if f != nil {
			f.Close()
		}
	}()
	lines, answers := bufio.NewScanner(in), json.NewEncoder(out)
	for lines.Scan() {
		var o order
		err := json.Unmarshal(lines.Bytes(), &o)
		if err == nil && f == nil {
			f, err = openFlock(o)
		}
		var r report
		if err == nil {
			r, err = obey(ctx, f, o)
		}
		if err != nil {
			r.Error = err.Error()
		}
		if err := answers.Encode(r); err != nil {
			return err
		}
	}
	return lines.Err()
}

func openFlock(o order) (*flock.Flock, error) {
	redis, err := url.Parse(o.Redis)
	if err != nil {
		return nil, err
	}
	return flock.New(flock.Config{Addr: o.Addr, Redis: redis.Host, Centrifuge: o.Protocol == "centrifuge"})
}

// obey does what is ordered, and counts.
func obey(ctx context.Context, f *flock.Flock, o order) (r report, err error) {
	f.Reset()
	switch o.Do {
	case doConnect:
		r.Wall, err = f.Connect(ctx, o.Clients, o.Rooms)
	case doBurst:
		r.Wall, err = f.Burst(ctx, o.Count, o.Size, o.Window)
	case doSteady:
		err = f.Steady(ctx, o.Interval, o.Duration, o.Size)
	case doChat:
		r.Lost, err = f.Chat(ctx, o.Interval, o.Duration, o.Size, o.Rooms)
	case doChoke:
		err = f.AddDeaf(ctx, o.Clients)
	case doCollect:
		err = f.Await(ctx, o.Count)
	default:
		err = fmt.Errorf("unknown order %q", o.Do)
	}
	if err != nil {
		return r, err
	}
	r.Live, r.Closed = f.Live()
	r.Deliveries, r.Reordered, r.Repeated = f.Deliveries, f.Reordered, f.Repeated
	r.Lost += f.Lost()
	r.P50, r.P99 = quantiles(f.Latency)
	return r, nil
}

// quantiles returns the median and the 99th percentile of microseconds.
func quantiles(us []uint32) (p50, p99 time.Duration) {
	if len(us) == 0 {
		return 0, 0
	}
	slices.Sort(us)
	at := func(q float64) time.Duration {
		return time.Duration(us[int(q*float64(len(us)-1))]) * time.Microsecond
	}
	return at(0.5), at(0.99)
}

// payloads are the data of n messages to everyone, for somebody else to send.
func payloads(first, n, size int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = flock.Data(uint32(first+i), time.Now(), 0, "", size)
	}
	return list
}
