package memory

import (
	"bytes"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// group is a control group with a memory limit.
type group struct {
	limit int64
	// The files with the memory in use and with its parts, and the names of the parts that
	// are a cache of files. The kernel gives them up before it kills a process, and a process
	// that reads files fills all memory with them.
	current, stat string
	cache         [2]string
	// sockets says whether the memory in use includes what is buffered for sockets.
	sockets bool
}

// version describes the files of one version of control groups.
type version struct {
	mount, controller string
	limit, current    string
	cache             [2]string
	sockets           bool
}

var versions = []version{
	{mount: "sys/fs/cgroup", controller: "", limit: "memory.max", current: "memory.current", cache: [2]string{"inactive_file", "active_file"}, sockets: true},
	{mount: "sys/fs/cgroup/memory", controller: "memory", limit: "memory.limit_in_bytes", current: "memory.usage_in_bytes", cache: [2]string{"total_inactive_file", "total_active_file"}},
}

// findGroup returns the control group with the lowest memory limit of those that the process
// is in, or nil if there is none. root is the root of the file system.
func findGroup(root string) *group {
	list, err := os.ReadFile(path.Join(root, "proc/self/cgroup"))
	if err != nil {
		return nil // not Linux
	}
	var lowest *group
	for _, v := range versions {
		name, ok := v.groupName(string(list))
		if !ok {
			continue
		}
		mount := path.Join(root, v.mount)
		for {
			// In a container, the name may be that of the group outside, which does not
			// exist here. The group of the container is then the mount itself.
			dir := path.Join(mount, name)
			if n, ok := readLimit(path.Join(dir, v.limit)); ok && (lowest == nil || n < lowest.limit) {
				lowest = &group{limit: n, current: path.Join(dir, v.current), stat: path.Join(dir, "memory.stat"), cache: v.cache, sockets: v.sockets}
			}
			if name == "/" || name == "." {
				break
			}
			name = path.Dir(name)
		}
	}
	return lowest
}

// groupName returns the name of the process's group from /proc/self/cgroup, whose lines have
// the form ID:CONTROLLERS:NAME.
func (v version) groupName(list string) (string, bool) {
	for line := range strings.Lines(list) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) < 3 {
			continue
		}
		for controller := range strings.SplitSeq(parts[1], ",") {
			if controller == v.controller && (controller != "" || parts[0] == "0") {
				return path.Clean("/" + parts[2]), true
			}
		}
	}
	return "", false
}

// noLimit is the lowest number that means no limit. Version 1 has no word for it, but a
// number close to the highest.
const noLimit = math.MaxInt64 >> 1

func readLimit(file string) (int64, bool) {
	n, ok := readNumber(file)
	return n, ok && n > 0 && n < noLimit
}

func readNumber(file string) (int64, bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	return n, err == nil
}

// used returns the memory in use, without the cache of files.
func (g *group) used() (int64, bool) {
	n, ok := readNumber(g.current)
	if !ok {
		return 0, false
	}
	if n < g.limit/2 {
		return n, true // far from the limit, so the cache makes no difference
	}
	return n - min(g.cached(), n), true
}

// cached returns the size of the cache of files that the kernel can give up.
func (g *group) cached() (size int64) {
	text, err := os.ReadFile(g.stat)
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(text) {
		name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
		if string(name) == g.cache[0] || string(name) == g.cache[1] {
			n, _ := strconv.ParseInt(string(value), 10, 64)
			size += min(max(n, 0), math.MaxInt64-size)
		}
	}
	return size
}
