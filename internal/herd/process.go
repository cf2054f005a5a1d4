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

// CPUTime returns the user and system CPU time of a process, including all of its threads, even those
// that have ended. It reads the kernel's CPU clock of the process, which has a resolution of
// nanoseconds, whereas the values in /proc are rounded down to 10 ms.
func CPUTime(pid int) (time.Duration, error) {
	const scheduler = 2 // the kernel's CPUCLOCK_SCHED
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduler), &t); err != nil {
		return 0, fmt.Errorf("CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// ResidentSize returns the resident memory of a process in bytes. It is exact even if the kernel's
// per-thread counters are not up to date.
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
