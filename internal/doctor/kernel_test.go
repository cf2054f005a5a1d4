package doctor

import (
	"maps"
	"net/netip"
	"os"
	"regexp"
	"runtime/debug"
	"strconv"
	"testing"
	"testing/fstest"

	"github.com/ignis-go/ignis/internal/listen"
)

// system is a system with enough of everything for 10,000 clients.
var system = map[string]string{
	"proc/self/limits":                          "Limit                     Soft Limit           Hard Limit           Units     \nMax open files            1024                 524288               files     \n",
	"proc/self/cgroup":                          "0::/ignis.service\n",
	"proc/sys/fs/file-max":                      "9223372036854775807\n",
	"proc/sys/net/core/somaxconn":               "4096\n",
	"proc/sys/net/ipv4/tcp_max_syn_backlog":     "4096\n",
	"proc/sys/net/ipv4/tcp_syncookies":          "1\n",
	"proc/sys/net/ipv4/ip_local_port_range":     "32768\t60999\n",
	"proc/sys/net/netfilter/nf_conntrack_max":   "262144\n",
	"proc/sys/net/netfilter/nf_conntrack_count": "17\n",
	"proc/meminfo":                              "MemTotal:       16384000 kB\nMemFree: 1 kB\n",
}

func TestKernel(t *testing.T) {
	trusted := func(c *Config) { c.App.Proxies.Networks = []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")} }
	for _, test := range []struct {
		name   string
		change func(*Config)
		files  map[string]string // "" removes a file
		check  string
		want   []string
	}{
		{"enough", nil, nil, "kernel.descriptors", []string{"ok: 524288 files"}},
		{"exactly enough", func(c *Config) { c.Clients = 524288 - 64 }, nil, "kernel.descriptors", []string{"ok: "}},
		{"too few", func(c *Config) { c.Clients = 524288 - 63 }, nil, "kernel.descriptors", []string{"fail: LimitNOFILE"}},
		{"no limit", nil, map[string]string{"proc/self/limits": "Max open files  unlimited  unlimited  files\n"}, "kernel.descriptors", []string{"ok: unlimited"}},
		{"too few for all", nil, map[string]string{"proc/sys/fs/file-max": "9000"}, "kernel.descriptors", []string{"fail: fs.file-max"}},
		{"another system", nil, map[string]string{"proc/self/limits": ""}, "kernel.descriptors", []string{"skip: "}},

		{"long queues", nil, nil, "kernel.listen_queue", []string{"ok: 4096", "ok: 4096"}},
		{"short queue", nil, map[string]string{"proc/sys/net/core/somaxconn": "128"}, "kernel.listen_queue", []string{"warn: sysctl -w net.core.somaxconn=2500", "ok: "}},
		{"few clients", func(c *Config) { c.Clients = 500 }, map[string]string{"proc/sys/net/core/somaxconn": "128"}, "kernel.listen_queue", []string{"ok: ", "ok: "}},
		{"many clients", func(c *Config) { c.Clients = 1e6 }, nil, "kernel.listen_queue", []string{"ok: ", "ok: "}},
		{"SYN cookies", nil, map[string]string{"proc/sys/net/ipv4/tcp_max_syn_backlog": "128"}, "kernel.listen_queue", []string{"ok: ", "ok: tcp_syncookies"}},
		{"no SYN cookies", nil, map[string]string{"proc/sys/net/ipv4/tcp_max_syn_backlog": "128", "proc/sys/net/ipv4/tcp_syncookies": "0"}, "kernel.listen_queue", []string{"ok: ", "warn: being established"}},

		{"no proxy", nil, nil, "kernel.ports", []string{"skip: "}},
		{"ports for all", trusted, nil, "kernel.ports", []string{"ok: 28232"}},
		{"too few ports", func(c *Config) { trusted(c); c.Clients = 28233 }, nil, "kernel.ports", []string{"warn: Unix socket"}},
		{"socket", func(c *Config) { c.App.Proxies.Unix, c.Clients = true, 1e6 }, nil, "kernel.ports", []string{"ok: "}},

		{"conntrack", nil, nil, "kernel.conntrack", []string{"ok: 262144"}},
		{"no conntrack", nil, map[string]string{"proc/sys/net/netfilter/nf_conntrack_max": ""}, "kernel.conntrack", []string{"skip: "}},
		{"conntrack is tight", nil, map[string]string{"proc/sys/net/netfilter/nf_conntrack_max": "15000"}, "kernel.conntrack", []string{"warn: reconnect"}},
		{"conntrack is too small", nil, map[string]string{"proc/sys/net/netfilter/nf_conntrack_max": "9999"}, "kernel.conntrack", []string{"fail: dropped"}},

		{"memory", nil, nil, "kernel.memory", []string{"ok: all memory of the machine"}},
		{"unknown memory", nil, map[string]string{"proc/meminfo": ""}, "kernel.memory", []string{"skip: "}},
		{"group", nil, map[string]string{"sys/fs/cgroup/ignis.service/memory.max": "1073741824"}, "kernel.memory", []string{"ok: 1 GiB (the limit of the control group)"}},
		{"group of the container", nil, map[string]string{"sys/fs/cgroup/memory.max": "268435456"}, "kernel.memory", []string{"warn: 256 MiB"}},
		{"group of version 1", nil, map[string]string{
			"proc/self/cgroup": "4:memory:/x\n0::/\n", "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "134217728", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
		}, "kernel.memory", []string{"fail: 128 MiB"}},
		{"budget", func(c *Config) { c.App.Server.MemoryLimit = 128 << 20 }, nil, "kernel.memory", []string{"fail: limits.memory_limit"}},
		{"budget off", func(c *Config) { c.App.Server.MemoryLimit = -1 }, nil, "kernel.memory", []string{"ok: all memory"}},
		{"TLS", func(c *Config) {
			c.App.Listen.Addresses[0] = listen.Address{Network: listen.TCP, Name: ":1", TLS: true}
			c.App.Server.MemoryLimit = 512 << 20
		}, nil, "kernel.memory", []string{"warn: with TLS"}},

		{"processors", nil, nil, "kernel.cpu", []string{"ok: 10000 clients"}},
		{"half of one", nil, map[string]string{"sys/fs/cgroup/ignis.service/cpu.max": "50000 100000"}, "kernel.cpu", []string{"warn: 0.5 processors"}},
		{"no quota", nil, map[string]string{"sys/fs/cgroup/ignis.service/cpu.max": "max 100000"}, "kernel.cpu", []string{"ok: "}},
		{"quota of version 1", nil, map[string]string{
			"proc/self/cgroup": "5:cpu,cpuacct:/x\n", "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "25000", "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000",
		}, "kernel.cpu", []string{"warn: 0.25 processors"}},
		{"very many clients", func(c *Config) { c.Clients = 2e9 }, nil, "kernel.cpu", []string{"warn: random time"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			files := maps.Clone(system)
			maps.Copy(files, test.files)
			c := valid()
			fsys := fstest.MapFS{}
			for name, text := range files {
				if text != "" {
					fsys[name] = &fstest.MapFile{Data: []byte(text)}
				}
			}
			c.System = fsys
			if test.change != nil {
				test.change(&c)
			}
			want(t, examine(t, c, (*Config).kernelGroup), test.check, test.want...)
		})
	}
}

func TestMemoryOfRuntime(t *testing.T) {
	before := debug.SetMemoryLimit(128 << 20)
	defer debug.SetMemoryLimit(before)
	c := valid()
	want(t, examine(t, c, (*Config).kernelGroup), "kernel.memory", "fail: 128 MiB (GOMEMLIMIT)")
	c.App.Server.MemoryLimit = 1 << 30
	want(t, examine(t, c, (*Config).kernelGroup), "kernel.memory", "ok: 1 GiB (limits.memory_limit)")
}

// Files with nonsense are not known, and do not make a check panic.
func TestKernelNonsense(t *testing.T) {
	fsys := fstest.MapFS{}
	for name := range system {
		fsys[name] = &fstest.MapFile{Data: []byte("Max open files \nx:\n::\nMemTotal: \n0::../..\n")}
	}
	c := valid()
	c.System, c.App.Proxies.Unix = fsys, true
	for _, f := range examine(t, c, (*Config).kernelGroup) {
		if f.Status != Skip && f.Check != "kernel.cpu" {
			t.Errorf("%+v", f)
		}
	}
	c.System = nil
	examine(t, c, (*Config).kernelGroup)
}

// The figures are about those that were measured, or higher.
func TestKernelFigures(t *testing.T) {
	for _, figure := range []struct {
		file, pattern string
		unit, most    float64
	}{
		{"../../bench/RESULTS.md", `Idle memory\]\S+ \| resident size per client \| ([0-9.]+) KB`, 1000, idleMemory},
		{"../../docs/listening.md", `An idle client needs about ([0-9]+)\s+KiB`, 1024, idleMemoryTLS},
		{"../../bench/RESULTS.md", `Connect and authenticate\]\S+ \| server CPU per client \| ([0-9.]+) µs`, 1000, float64(connectTime)},
	} {
		text, err := os.ReadFile(figure.file)
		if err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile(figure.pattern).FindSubmatch(text)
		if m == nil {
			t.Fatalf("%s has no %s", figure.file, figure.pattern)
		}
		if n, _ := strconv.ParseFloat(string(m[1]), 64); n*figure.unit > 1.2*figure.most {
			t.Errorf("%s: %s is much more than %v; change the constant in kernel.go, and docs/doctor.md", figure.file, m[0], figure.most)
		}
	}
}
