package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ignis-go/ignis/bench/internal/flood"
)

// These arguments make this program run as a flood or as the well-behaved clients. Like the herd, both
// execute orders.
const (
	floodArgument = "flood"
	probeArgument = "probe"
)

// floodOrder tells a flood to connect, start or end.
type floodOrder struct {
	Do        string // "connect", "start" or "end"
	Addr      string
	Secret    string // key of the tokens of strangers that authenticate; if empty, the server requires none
	Kind      string
	Strangers int
}

// probeOrder tells the well-behaved clients to connect or to measure.
type probeOrder struct {
	flood.Target // server to connect to; if it has no address, the order is to measure
	Clients      int
	Window       string // name of the window to which the measurements are added
	Duration     time.Duration
}

// answer is the result of an order.
type answer[T any] struct {
	Error  string `json:",omitempty"`
	Report T
}

// answerOrders executes the orders from in, which are lines of JSON, until EOF.
func answerOrders[O, R any](in io.Reader, out io.Writer, obey func(O) (R, error)) error {
	lines, answers := bufio.NewScanner(in), json.NewEncoder(out)
	for lines.Scan() {
		var o O
		var a answer[R]
		err := json.Unmarshal(lines.Bytes(), &o)
		if err == nil {
			a.Report, err = obey(o)
		}
		if err != nil {
			a.Error = err.Error()
		}
		if err := answers.Encode(a); err != nil {
			return err
		}
	}
	return lines.Err()
}

// tell gives an order to a process and returns its report.
func tell[R any](ctx context.Context, p *process, order any) (R, error) {
	var a answer[R]
	text, err := json.Marshal(order)
	if err != nil {
		return a.Report, err
	}
	if _, err := p.in.Write(append(text, '\n')); err != nil {
		return a.Report, fmt.Errorf("%s: %w:\n%s", p.name, err, p.output())
	}
	select {
	case line, ok := <-p.lines:
		if !ok {
			return a.Report, fmt.Errorf("%s ended unexpectedly:\n%s", p.name, p.output())
		}
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			return a.Report, fmt.Errorf("invalid answer %.200q from %s: %w", line, p.name, err)
		}
		if a.Error != "" {
			return a.Report, fmt.Errorf("%s: %s", p.name, a.Error)
		}
		return a.Report, nil
	case <-ctx.Done():
		return a.Report, context.Cause(ctx)
	}
}

// floodMain is the main function of the strangers' process.
func floodMain(ctx context.Context, in io.Reader, out io.Writer) error {
	var f *flood.Flood
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	return answerOrders(in, out, func(o floodOrder) (r flood.Report, err error) {
		switch {
		case o.Do == "connect":
			if f, err = flood.New(o.Addr, o.Secret, o.Kind, o.Strangers); err == nil {
				err = f.Connect()
			}
		case f == nil:
			err = errors.New("no strangers are connected")
		case o.Do == "start":
			f.Start(ctx)
		case o.Do == "end":
			stop()
			r, err = f.End()
		default:
			err = fmt.Errorf("unknown order %q", o.Do)
		}
		return r, err
	})
}

// probeMain is the main function of the well-behaved clients' process.
func probeMain(ctx context.Context, in io.Reader, out io.Writer) error {
	var p *flood.Probe
	defer func() {
		if p != nil {
			p.Close()
		}
	}()
	return answerOrders(in, out, func(o probeOrder) (s flood.Sample, err error) {
		switch {
		case o.Addr != "":
			p, err = flood.NewProbe(o.Target, o.Clients)
		case p == nil:
			err = errors.New("no clients are connected")
		default:
			s, err = p.Run(ctx, o.Window, o.Duration)
		}
		return s, err
	})
}
