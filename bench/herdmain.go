package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/ignis-go/ignis/internal/herd"
)

// herdMain is the main function of the herd's process. It executes the orders from in until EOF.
func herdMain(ctx context.Context, in io.Reader, out io.Writer) error {
	var f *herd.Herd
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
			f, err = openHerd(o)
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

func openHerd(o order) (*herd.Herd, error) {
	redis, err := url.Parse(o.Redis)
	if err != nil {
		return nil, err
	}
	return herd.New(herd.Config{Addr: o.Addr, Redis: redis.Host, Centrifuge: o.Protocol == "centrifuge", Encrypt: o.Encrypt})
}

// obey executes an order and returns the report.
func obey(ctx context.Context, f *herd.Herd, o order) (r report, err error) {
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
	r.P50, r.P99 = f.Latency.Quantile(0.5), f.Latency.Quantile(0.99)
	return r, nil
}

// payloads returns the data of n messages to the default room that another process publishes.
func payloads(first, n, size int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = herd.Data(uint32(first+i), time.Now(), 0, "", size)
	}
	return list
}
