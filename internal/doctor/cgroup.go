package doctor

import (
	"path"
	"strconv"
	"strings"
)

// groupFile is a file with a limit of a control group, in one of the versions of control
// groups.
type groupFile struct {
	mount, controller string // the controller is "" in version 2
	name              string
	period            string // a file with what the limit refers to; may be empty
}

var (
	memoryLimits = []groupFile{
		{"sys/fs/cgroup", "", "memory.max", ""},
		{"sys/fs/cgroup/memory", "memory", "memory.limit_in_bytes", ""},
	}
	cpuLimits = []groupFile{
		{"sys/fs/cgroup", "", "cpu.max", ""},
		{"sys/fs/cgroup/cpu", "cpu", "cpu.cfs_quota_us", "cpu.cfs_period_us"},
	}
)

// lowest returns the lowest limit in the files of the control group of this process and the
// groups that contain it. In a container, the name of the group may be that outside, which
// does not exist here; the group is then the mount itself.
func (k kernel) lowest(files []groupFile, parse func(text string) (int64, bool)) (limit int64, found bool) {
	for _, f := range files {
		name, ok := groupName(k.read("proc/self/cgroup"), f.controller)
		for ok {
			text := k.read(path.Join(f.mount, name, f.name))
			if f.period != "" {
				text += " " + k.read(path.Join(f.mount, name, f.period))
			}
			if n, ok := parse(text); ok && (!found || n < limit) {
				limit, found = n, true
			}
			ok = name != "/"
			name = path.Dir(name)
		}
	}
	return limit, found
}

// groupName returns the name of the group in /proc/self/cgroup, whose lines have the form
// ID:CONTROLLERS:NAME.
func groupName(list, controller string) (string, bool) {
	for line := range strings.Lines(list) {
		part := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(part) < 3 || controller == "" && part[0] != "0" {
			continue
		}
		for c := range strings.SplitSeq(part[1], ",") {
			if c == controller {
				return path.Clean("/" + part[2]), true
			}
		}
	}
	return "", false
}

// noLimit is the lowest number of bytes that means no limit in version 1.
const noLimit = 1 << 62

// bytesIn parses a limit of memory.
func bytesIn(text string) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n > 0 && n < noLimit
}

// milliCPUs parses a quota of CPU time and its period, both in microseconds.
func milliCPUs(text string) (int64, bool) {
	field := strings.Fields(text)
	if len(field) != 2 {
		return 0, false
	}
	quota, err1 := strconv.ParseInt(field[0], 10, 64)
	period, err2 := strconv.ParseInt(field[1], 10, 64)
	if err1 != nil || err2 != nil || quota <= 0 || period <= 0 {
		return 0, false // max, or -1
	}
	return quota * 1000 / period, true
}
