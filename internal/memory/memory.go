package memory

import (
	"math"
	"runtime/debug"
	"runtime/metrics"
)

// Usage is a measurement of the memory that counts toward one limit. All sizes are in
// bytes.
type Usage struct {
	Limit int64
	// Used is the memory in use, including garbage.
	Used int64
	// Garbage is the part of Used that the garbage collector may be able to free. It is
	// exact only just after a collection; later, part of it may be in use.
	Garbage int64
	// Hard reports whether the system kills the process at the limit.
	Hard bool
	// Name describes the limit, for the log.
	Name string
}

// Share returns the used share of the limit.
func (u Usage) Share() float64 { return float64(u.Used) / float64(u.Limit) }

// NeededShare is like Share, without the garbage.
func (u Usage) NeededShare() float64 { return float64(u.Used-u.Garbage) / float64(u.Limit) }

// Budget measures the memory of this process. It must be used by one goroutine at a time.
type Budget struct {
	limit   int64 // of the Go runtime, or set by the caller; 0 for none
	name    string
	group   *group // nil unless the process is in a control group with a limit
	samples []metrics.Sample
}

// The metrics that Read needs, in the order of Budget.samples.
const (
	total = iota
	released
	objects
	unused
	free
	live
)

// New returns the budget with a limit in bytes. If limit is 0, it is GOMEMLIMIT. The limit of
// the control group applies in any case. New returns nil if there is no limit.
func New(limit int64) *Budget {
	b := &Budget{limit: limit, name: "the configured limit", group: findGroup("/")}
	if limit == 0 {
		b.name = "GOMEMLIMIT"
		if b.limit = debug.SetMemoryLimit(-1); b.limit == math.MaxInt64 {
			b.limit = 0
		}
	}
	if b.limit == 0 && b.group == nil {
		return nil
	}
	for _, name := range []string{
		total:    "/memory/classes/total:bytes",
		released: "/memory/classes/heap/released:bytes",
		objects:  "/memory/classes/heap/objects:bytes",
		unused:   "/memory/classes/heap/unused:bytes",
		free:     "/memory/classes/heap/free:bytes",
		live:     "/gc/heap/live:bytes",
	} {
		b.samples = append(b.samples, metrics.Sample{Name: name})
	}
	return b
}

// Limit returns the lowest limit in bytes.
func (b *Budget) Limit() int64 {
	limit := b.limit
	if b.group != nil && (limit == 0 || b.group.limit < limit) {
		limit = b.group.limit
	}
	return limit
}

// Read measures the memory in use and returns the usage that is closest to its limit.
// sockets is an estimate of what the kernel has buffered for the process's sockets, which a
// control group counts but the Go runtime does not know.
func (b *Budget) Read(sockets int64) Usage {
	metrics.Read(b.samples)
	get := func(i int) int64 { return int64(b.samples[i].Value.Uint64()) }
	u := Usage{
		Limit: b.limit, Name: b.name,
		Used:    get(total) - get(released) + sockets,
		Garbage: max(get(objects)+get(unused)+get(free)-get(live), 0),
	}
	if b.group == nil {
		return u
	}
	g := u
	g.Limit, g.Name, g.Hard = b.group.limit, "the memory limit of the control group", true
	if used, ok := b.group.used(); ok {
		g.Used = used
		if !b.group.sockets {
			g.Used += sockets
		}
	}
	if b.limit == 0 || g.Share() > u.Share() {
		return g
	}
	return u
}

// GroupLimit returns the memory limit of the control group that the process is in, or 0 if
// there is none.
func GroupLimit() int64 {
	if g := findGroup("/"); g != nil {
		return g.limit
	}
	return 0
}
