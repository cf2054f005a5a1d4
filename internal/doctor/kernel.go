package doctor

import (
	"context"
	"fmt"
	"io/fs"
	"math"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// What a client needs. The figures come from bench/RESULTS.md and docs/listening.md; a test
// compares them.
const (
	idleMemory    = 2400     // bytes of the process for an idle client
	idleMemoryTLS = 24 << 10 // the same with TLS
	kernelMemory  = 5 << 10  // bytes of the kernel for the server's end of a connection
	processMemory = 64 << 20 // bytes of a process without clients

	connectTime = 89 * time.Microsecond // CPU time to connect and authenticate a client
)

// descriptorReserve is the number of descriptors that clients cannot take, as in package app.
const descriptorReserve = 64

func (c *Config) kernelGroup() group {
	k := kernel{c}
	return group{name: "kernel", checks: []check{
		{name: "kernel.descriptors", run: k.checkDescriptors},
		{name: "kernel.listen_queue", run: k.checkListenQueue},
		{name: "kernel.ports", run: k.checkPorts},
		{name: "kernel.conntrack", run: k.checkConntrack},
		{name: "kernel.memory", run: k.checkMemory},
		{name: "kernel.cpu", run: k.checkCPU},
	}}
}

// kernel examines the limits of the system.
type kernel struct{ *Config }

// read returns the content of a file of the system without spaces at the ends, or "".
func (k kernel) read(name string) string {
	if k.System == nil {
		return ""
	}
	text, err := fs.ReadFile(k.System, name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// number returns the number in a file of the system.
func (k kernel) number(name string) (int64, bool) {
	n, err := strconv.ParseInt(k.read(name), 10, 64)
	return n, err == nil
}

const notOnThisSystem = "%s is not known on this system"

func (k kernel) checkDescriptors(context.Context) []Finding {
	var soft, hard string
	for line := range strings.Lines(k.read("proc/self/limits")) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			if field := strings.Fields(rest); len(field) >= 2 {
				soft, hard = field[0], field[1]
			}
		}
	}
	if hard == "" {
		return []Finding{skip(notOnThisSystem, "the limit of descriptors")}
	}
	needed := int64(k.Clients) + descriptorReserve
	const advice = "raise the limit: LimitNOFILE in a systemd unit, nofile in /etc/security/limits.conf, --ulimit nofile of a container; it must also be in effect where the server runs"
	// The Go runtime raises the soft limit to the hard limit.
	if n, err := strconv.ParseInt(hard, 10, 64); err == nil && n < needed {
		return []Finding{fail(advice, "this process may open %s files (soft limit %s), and %d clients need %d", hard, soft, k.Clients, needed)}
	}
	if n, ok := k.number("proc/sys/fs/file-max"); ok && n < needed {
		return []Finding{fail("raise fs.file-max with sysctl", "all processes together may open %d files (fs.file-max), and %d clients need %d", n, k.Clients, needed)}
	}
	return []Finding{ok("this process may open %s files, and %d clients need %d", hard, k.Clients, needed)}
}

// maxQueue is the length of a queue of new connections that suffices for any number of
// clients.
const maxQueue = 4096

func (k kernel) checkListenQueue(context.Context) (list []Finding) {
	cookies, _ := k.number("proc/sys/net/ipv4/tcp_syncookies")
	for _, s := range []struct {
		file, name, use string
		spare           bool // the queue may be full without a loss
	}{
		{"proc/sys/net/core/somaxconn", "net.core.somaxconn", "connections that wait to be accepted", false},
		{"proc/sys/net/ipv4/tcp_max_syn_backlog", "net.ipv4.tcp_max_syn_backlog", "connections that are being established", cookies > 0},
	} {
		want := min(int64(k.Clients)/4, maxQueue)
		switch n, known := k.number(s.file); {
		case !known:
			list = append(list, skip(notOnThisSystem, s.name))
		case n >= want:
			list = append(list, ok("%s is %d", s.name, n))
		case s.spare:
			list = append(list, ok("%s is %d, which suffices with net.ipv4.tcp_syncookies", s.name, n))
		default:
			list = append(list, warn(fmt.Sprintf("sysctl -w %s=%d, and set it in /etc/sysctl.d", s.name, want),
				"%s is %d: when all clients reconnect at the same time, %s are dropped and tried again a second or more later", s.name, n, s.use))
		}
	}
	return list
}

func (k kernel) checkPorts(context.Context) []Finding {
	if !k.proxied() {
		return []Finding{skip("no proxy is trusted, so connections come from many addresses")}
	}
	field := strings.Fields(k.read("proc/sys/net/ipv4/ip_local_port_range"))
	if len(field) != 2 {
		return []Finding{skip(notOnThisSystem, "net.ipv4.ip_local_port_range")}
	}
	low, _ := strconv.Atoi(field[0])
	high, _ := strconv.Atoi(field[1])
	ports := high - low + 1
	if ports < k.Clients && len(k.App.Proxies.Networks) > 0 {
		return []Finding{warn("use a Unix socket for a proxy on this machine, or listen on several addresses or ports, or widen net.ipv4.ip_local_port_range on the machine of the proxy",
			"a proxy with the range of ports of this machine (%d) can open %d connections to each address of the server, fewer than %d clients", ports, ports, k.Clients)}
	}
	return []Finding{ok("a proxy with the range of ports of this machine can open %d connections to each TCP address of the server", ports)}
}

func (k kernel) checkConntrack(context.Context) []Finding {
	limit, known := k.number("proc/sys/net/netfilter/nf_conntrack_max")
	if !known {
		return []Finding{skip("connection tracking is not in use, or this process cannot see it")}
	}
	used, _ := k.number("proc/sys/net/netfilter/nf_conntrack_count")
	const advice = "raise net.netfilter.nf_conntrack_max with sysctl, or exempt the port of the server from tracking (NOTRACK)"
	switch clients := int64(k.Clients); {
	case limit < clients:
		return []Finding{fail(advice, "the firewall tracks at most %d connections, fewer than %d clients; further connections are dropped", limit, clients)}
	case limit < 2*clients+used:
		return []Finding{warn(advice, "the firewall tracks at most %d connections; %d are in use, and after all of %d clients reconnect, it tracks the old and the new ones", limit, used, clients)}
	}
	return []Finding{ok("the firewall tracks at most %d connections; %d are in use", limit, used)}
}

// Shares of the memory budget. Beyond the first, the server refuses clients; half of it
// leaves room for messages that wait for clients.
const (
	refusedShare = 0.8
	roomyShare   = 0.4
)

func (k kernel) checkMemory(context.Context) []Finding {
	budget, source := k.memoryBudget()
	if budget == 0 {
		return []Finding{skip(notOnThisSystem, "the memory budget")}
	}
	each, kind := int64(idleMemory+kernelMemory), ""
	if k.secure() {
		each, kind = idleMemoryTLS+kernelMemory, " with TLS"
	}
	needed := processMemory + int64(k.Clients)*each
	text := fmt.Sprintf("%d idle clients%s need about %s, kernel included; the budget is %s (%s)", k.Clients, kind, size(needed), size(budget), source)
	const advice = "give the server more memory (limits.memory_limit, or the limit of the container), or use more servers"
	switch share := float64(needed) / float64(budget); {
	case share > refusedShare:
		return []Finding{fail(advice, "%s; at 80 %% of it, the server refuses clients", text)}
	case share > roomyShare:
		return []Finding{warn(advice, "%s, which leaves little room for messages that wait for slow clients", text)}
	}
	return []Finding{ok("%s", text)}
}

// memoryBudget returns the memory budget of the server in bytes, and where it comes from.
func (k kernel) memoryBudget() (budget int64, source string) {
	budget, source = max(k.App.Server.MemoryLimit, 0), "limits.memory_limit"
	if n := debug.SetMemoryLimit(-1); k.App.Server.MemoryLimit == 0 && n != math.MaxInt64 {
		budget, source = n, "GOMEMLIMIT"
	}
	if n, ok := k.lowest(memoryLimits, bytesIn); ok && (budget == 0 || n < budget) {
		budget, source = n, "the limit of the control group"
	}
	if budget > 0 {
		return budget, source
	}
	for line := range strings.Lines(k.read("proc/meminfo")) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return n << 10, "all memory of the machine"
		}
	}
	return 0, ""
}

// slowReconnect is the time for reconnecting all clients above which they should spread.
const slowReconnect = 30 * time.Second

func (k kernel) checkCPU(context.Context) []Finding {
	cpus, source := float64(runtime.NumCPU()), "processors"
	if quota, ok := k.lowest(cpuLimits, milliCPUs); ok && float64(quota)/1000 < cpus {
		cpus, source = float64(quota)/1000, "processors, the quota of the control group"
	}
	took := time.Duration(float64(k.Clients) * float64(connectTime) / cpus)
	text := fmt.Sprintf("%.4g %s; connecting %d clients keeps them busy for about %v", cpus, source, k.Clients, took.Round(10*time.Millisecond))
	if cpus < 1 {
		return []Finding{warn("give the server at least one processor", "%s; below one, the server pauses in each period of the quota, which adds up to 100 ms to the latency", text)}
	}
	if took > slowReconnect {
		return []Finding{warn("use more processors or more servers, and let clients wait a random time before they reconnect", "%s", text)}
	}
	return []Finding{ok("%s", text)}
}
