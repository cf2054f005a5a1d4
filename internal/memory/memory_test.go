package memory

import (
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"
)

// files writes files below a root and returns it.
func files(t *testing.T, content map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range content {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestGroup(t *testing.T) {
	const v2 = "sys/fs/cgroup/"
	const v1 = "sys/fs/cgroup/memory/"
	for name, tt := range map[string]struct {
		files       map[string]string
		limit, used int64
	}{
		"none": {nil, 0, 0},
		"no limit": {map[string]string{
			"proc/self/cgroup": "0::/a\n", v2 + "a/memory.max": "max\n", v2 + "a/memory.current": "5\n",
		}, 0, 0},
		"a service": {map[string]string{
			"proc/self/cgroup":                           "0::/system.slice/ignis.service\n",
			v2 + "system.slice/ignis.service/memory.max": "1000\n", v2 + "system.slice/ignis.service/memory.current": "400\n",
		}, 1000, 400},
		"a container with its own namespace": {map[string]string{
			"proc/self/cgroup": "0::/\n", v2 + "memory.max": "1000\n", v2 + "memory.current": "400\n",
		}, 1000, 400},
		"a container with the name outside": {map[string]string{
			"proc/self/cgroup": "0::/kubepods/pod1/x\n", v2 + "memory.max": "1000\n", v2 + "memory.current": "400\n",
		}, 1000, 400},
		"the parent has less": {map[string]string{
			"proc/self/cgroup": "0::/a/b\n", v2 + "a/b/memory.max": "2000\n", v2 + "a/b/memory.current": "100\n",
			v2 + "a/memory.max": "1000\n", v2 + "a/memory.current": "400\n",
		}, 1000, 400},
		"a cache of files": {map[string]string{
			"proc/self/cgroup": "0::/\n", v2 + "memory.max": "1000\n", v2 + "memory.current": "900\n",
			v2 + "memory.stat": "anon 100\ninactive_file 600\nactive_file 200\n",
		}, 1000, 100},
		"more cache than memory": {map[string]string{
			"proc/self/cgroup": "0::/\n", v2 + "memory.max": "1000\n", v2 + "memory.current": "900\n",
			v2 + "memory.stat": "inactive_file 600\nactive_file 9223372036854775807\n",
		}, 1000, 0},
		"version 1": {map[string]string{
			"proc/self/cgroup":                    "5:cpu,cpuacct:/x\n4:memory:/docker/y\n1:name=systemd:/\n0::/\n",
			v1 + "docker/y/memory.limit_in_bytes": "1000\n", v1 + "docker/y/memory.usage_in_bytes": "600\n",
			v1 + "docker/y/memory.stat":  "inactive_file 1\ntotal_inactive_file 40\ntotal_active_file 10\n",
			v1 + "memory.limit_in_bytes": "9223372036854771712\n", v1 + "memory.usage_in_bytes": "99999\n",
		}, 1000, 550},
		"nonsense": {map[string]string{
			"proc/self/cgroup": "0:\n::\n0::../../..\n4:memory\n", v2 + "memory.max": "-5\n", v2 + "memory.current": "x\n",
		}, 0, 0},
	} {
		g := findGroup(files(t, tt.files))
		if g == nil {
			if tt.limit != 0 {
				t.Errorf("%s: no limit found", name)
			}
			continue
		}
		if used, ok := g.used(); !ok || g.limit != tt.limit || used != tt.used {
			t.Errorf("%s: %d of %d used, %v; want %d of %d", name, used, g.limit, ok, tt.used, tt.limit)
		}
	}
}

// Memory that is in use counts, and garbage is known as such after a collection.
func TestRead(t *testing.T) {
	b := New(1 << 30)
	if b == nil || b.Limit() > 1<<30 {
		t.Fatalf("no budget: %+v", b)
	}
	b.group = nil // must not depend on where the test runs
	runtime.GC()
	before, collected := b.Read(0), collections()
	if before.Limit != 1<<30 || before.Used <= 0 || before.Garbage < 0 || before.Garbage > before.Used || before.Hard {
		t.Errorf("%+v", before)
	}
	if u := b.Read(1 << 29); u.Used-before.Used < 1<<28 || u.Share() < 0.5 {
		t.Errorf("sockets do not count: %+v", u)
	}
	kept := make([]byte, 64<<20)
	runtime.GC()
	after := b.Read(0)
	if grown := after.Used - after.Garbage - (before.Used - before.Garbage); grown < 60<<20 || grown > 70<<20 {
		t.Errorf("64 MiB in use make %d bytes", grown)
	}
	if n := collections(); n <= collected {
		t.Errorf("%d collections, then %d", collected, n)
	}
	runtime.KeepAlive(kept)
	kept = nil
	runtime.GC()
	if u := b.Read(0); u.Used-u.Garbage > before.Used-before.Garbage+8<<20 {
		t.Errorf("garbage counts as in use: %+v", u)
	}
}

// collections returns the number of completed collections.
func collections() uint32 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.NumGC
}

// GOMEMLIMIT is the budget unless another one is set.
func TestRuntimeLimit(t *testing.T) {
	was := debug.SetMemoryLimit(1 << 40)
	defer debug.SetMemoryLimit(was)
	b := New(0)
	if b == nil || b.limit != 1<<40 {
		t.Fatalf("%+v", b)
	}
	if b = New(1 << 39); b.limit != 1<<39 {
		t.Errorf("%+v", b)
	}
}

// The limit of a control group applies if it is closer to being reached.
func TestGroupAndRuntime(t *testing.T) {
	root := files(t, map[string]string{
		"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1000000000\n", "sys/fs/cgroup/memory.current": "400000000\n",
	})
	b := New(1 << 50)
	b.group = findGroup(root)
	if u := b.Read(0); !u.Hard || u.Limit != 1e9 || u.Used != 4e8 || b.Limit() != 1e9 {
		t.Errorf("%+v", u)
	}
	b.limit = 1 << 20 // less than the process uses
	if u := b.Read(0); u.Hard || u.Limit != 1<<20 {
		t.Errorf("%+v", u)
	}
	b.limit, b.group.current = 0, "missing"
	if u := b.Read(0); !u.Hard || u.Used <= 0 {
		t.Errorf("without the file: %+v", u)
	}
}

func BenchmarkRead(b *testing.B) {
	m := New(1 << 40)
	b.ReportAllocs()
	for b.Loop() {
		m.Read(0)
	}
}
