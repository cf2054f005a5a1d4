package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ignis-go/ignis/internal/herd"
)

// procStatTime returns the CPU time of a process according to /proc. It is used as a check.
func procStatTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the process name before it may contain spaces
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux that Go runs on
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	if err != nil {
		return 0, err
	}
	return time.Duration(user+system) * tick, nil
}

// kernelMemory is the kernel memory of the whole machine.
type kernelMemory struct {
	tcp  float64 // bytes in TCP buffers
	slab float64 // bytes of kernel objects, including sockets
}

func readKernelMemory() (k kernelMemory, err error) {
	text, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		return k, err
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[0] == "TCP:" && fields[len(fields)-2] == "mem" {
			pages, err := strconv.ParseFloat(fields[len(fields)-1], 64)
			if err != nil {
				return k, err
			}
			k.tcp = pages * float64(os.Getpagesize())
		}
	}
	slab, err := herd.Keyed("/proc/meminfo", "Slab:")
	k.slab = slab * 1024
	return k, err
}

// busy returns how long a core has been busy since the machine started.
func busy(core string) (time.Duration, error) {
	f, err := os.Open("/proc/stat")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 9 || fields[0] != "cpu"+core {
			continue
		}
		var ticks int64
		for i, field := range fields[1:9] {
			n, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return 0, err
			}
			if i != 3 && i != 4 { // these are idle and iowait
				ticks += n
			}
		}
		return time.Duration(ticks) * 10 * time.Millisecond, nil
	}
	return 0, fmt.Errorf("/proc/stat has no core %s", core)
}

// span measures CPU times from beginSpan to end. It contains their values at the beginning.
type span struct {
	pid       int   // the server
	others    []int // processes on the herd's core
	began     time.Time
	cpu, stat time.Duration // CPU time of the server, according to its clock and to /proc
	core      time.Duration // busy time of the server's core
	herds     time.Duration // CPU time of others
}

// usage is the result of a span.
type usage struct {
	wall, cpu time.Duration
	herdBusy  float64 // share of the herd's core used by the herd and Redis
	foreign   float64 // share of the server's core used by other processes
}

func beginSpan(pid int, others ...int) (s span, err error) {
	s.pid, s.others = pid, others
	if s.core, err = busy(serverCore); err != nil {
		return s, err
	}
	if s.stat, err = procStatTime(pid); err != nil {
		return s, err
	}
	for _, p := range others {
		t, err := herd.CPUTime(p)
		if err != nil {
			return s, err
		}
		s.herds += t
	}
	s.cpu, err = herd.CPUTime(pid)
	s.began = time.Now()
	return s, err
}

func (s span) end() (u usage, err error) {
	u.wall = time.Since(s.began)
	now, err := beginSpan(s.pid, s.others...)
	if err != nil {
		return u, err
	}
	u.cpu = now.cpu - s.cpu
	// Each of the two readings from /proc may be off by two ticks, one for user time and
	// one for system time.
	if d := (now.stat - s.stat - u.cpu).Abs(); d > 40*time.Millisecond && d > u.cpu/20 {
		return u, fmt.Errorf("the CPU time of process %d is %v according to its clock, but %v according to /proc", s.pid, u.cpu, now.stat-s.stat)
	}
	u.herdBusy = (now.herds - s.herds).Seconds() / u.wall.Seconds()
	if u.wall > time.Second { // the ticks of 10 ms are too coarse for less
		u.foreign = max(0, (now.core-s.core-u.cpu).Seconds()/u.wall.Seconds())
	}
	return u, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// pinSelf moves all threads of this process to the herd's core, so that they do not disturb the server.
// New threads inherit the core of the thread that starts them.
func pinSelf() error {
	core, err := strconv.Atoi(herdCore)
	if err != nil {
		return err
	}
	var set unix.CPUSet
	set.Set(core)
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(tid, &set); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("moving to core %s: %w", herdCore, err)
		}
	}
	return nil
}

// pause waits for the given time. If ctx ends first, it returns the cause.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// waitQuiet waits until a process uses less than 1 % of a core for half a second, but at most 20 seconds.
func waitQuiet(ctx context.Context, pid int) error {
	const step, steps = 500 * time.Millisecond, 40
	before, err := herd.CPUTime(pid)
	for range steps {
		if err != nil {
			return err
		}
		if err := pause(ctx, step); err != nil {
			return err
		}
		var now time.Duration
		now, err = herd.CPUTime(pid)
		if err == nil && now-before < step/100 {
			return nil
		}
		before = now
	}
	return err
}
