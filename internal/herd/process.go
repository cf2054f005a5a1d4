//go:build linux

package herd

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CPUTime returns the CPU time that a process has used, user and system, of all
// its threads, those that have ended too. The kernel's clock of the process has
// it in nanoseconds; the sums in /proc are cut to ticks of 10 ms.
func CPUTime(pid int) (time.Duration, error) {
	const scheduler = 2 // the kernel's CPUCLOCK_SCHED
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduler), &t); err != nil {
		return 0, fmt.Errorf("CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// ResidentSize returns a process' resident memory in bytes, exact also where
// the kernel's counters per thread lag behind.
func ResidentSize(pid int) (float64, error) {
	kb, err := Keyed(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Rss:")
	return kb * 1024, err
}

// Keyed returns the number that follows a key in a file of /proc.
func Keyed(path, key string) (float64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) > 1 && fields[0] == key {
			return strconv.ParseFloat(fields[1], 64)
		}
	}
	return 0, fmt.Errorf("%s has no %s", path, key)
}
