package main

// metric is one figure of a workload.
type metric struct {
	key    string
	title  string
	text   func(float64) string
	higher bool // more is better
	goal   goal
}

// goal is what this library has to reach.
type goal struct {
	ratio bool    // the limit is for the ratio to Ignis on Bun, else for the figure itself
	limit float64 // at least, or, where less is better, at most; 0: no goal
	aim   float64 // better still; 0: none
}

// workload is one table.
type workload struct {
	name    string
	title   string
	text    string // how it is measured
	all     bool   // every system does it; else this library and the reference
	alone   bool   // only this library does it
	floods  bool   // it has a row for each kind of flood
	metrics []metric
}

// Keys of metrics that several workloads have.
const (
	keyRate    = "per_second"
	keyCPU     = "cpu"
	keyP50     = "p50"
	keyP99     = "p99"
	keyMemory  = "memory"
	keyGrowth  = "memory_growth"
	keyKernel  = "kernel_slab"
	keyTCP     = "kernel_tcp"
	keyWithout = "p99_without"
	keyChange  = "p99_ratio"
	keyTwo     = "per_second_two"
	keyGain    = "gain"
	keyCPUTwo  = "cpu_two"

	keyCalmP50  = "calm_p50"
	keyCalmP99  = "calm_p99"
	keyMax      = "max"
	keyEntry    = "entry_p50"
	keyEntryMax = "entry_max"
	keyLate     = "late_p99"
	keyFloodCPU = "flood_cpu"
	keyFrames   = "frames_per_second"
	keyBytes    = "bytes_per_second"
	keyShare    = "delivered_share"
	keyWaiting  = "bytes_waiting"
	keyPeak     = "memory_peak"
	keyOpened   = "opened_per_second"
	keyClosed   = "closed_per_second"
)

// workloads are all of them, in the order of the tables.
var workloads = []workload{
	{
		name: "burst", title: "Burst", all: true,
		text: "Messages are published on Redis back to back, to one room that everyone is in. The rate is that of wall time, from the first publish to the last delivery.",
		metrics: []metric{
			{key: keyRate, title: "deliveries/s", text: rateText, higher: true, goal: goal{ratio: true, limit: 2.5}},
			{key: keyCPU, title: "server CPU per delivery", text: microsText},
		},
	},
	{
		name: "steady", title: "Steady", all: true,
		text: "A message is published on Redis every 100 ms, to one room that everyone is in.",
		metrics: []metric{
			{key: keyCPU, title: "server CPU per delivery", text: microsText, goal: goal{ratio: true, limit: 1, aim: 0.8}},
			{key: keyP50, title: "latency p50", text: millisText},
			{key: keyP99, title: "p99", text: millisText},
		},
	},
	{
		name: "chat", title: "Chat",
		text: "Every client sends a message to its room every 5 s, and the server relays it to all members, itself included, and to Redis.",
		metrics: []metric{
			{key: keyCPU, title: "server CPU per delivery", text: microsText, goal: goal{ratio: true, limit: 0.7}},
			{key: keyP50, title: "latency p50", text: millisText},
			{key: keyP99, title: "p99", text: millisText},
		},
	},
	{
		name: "connect", title: "Connect and authenticate", all: true,
		text: "From an idle server until the last client has been told that it is connected. Ignis on Bun logs two lines for each client, to its output and to a file, and has no setting for that; what it needs when a program silences its logger stands beside.",
		metrics: []metric{
			{key: keyCPU, title: "server CPU per client", text: microsText, goal: goal{ratio: true, limit: 0.6}},
			{key: keyRate, title: "clients/s", text: rateText, higher: true},
		},
	},
	{
		name: "memory", title: "Idle memory", all: true,
		text: "Clients that are authenticated and in three rooms (two default rooms and their own; with gws and gorilla an index by id stands for the latter, and centrifuge has none), after the process' size has settled. Kernel memory is the whole machine's growth, of both ends of the connections.",
		metrics: []metric{
			{key: keyMemory, title: "resident size / clients", text: bytesText, goal: goal{ratio: true, limit: 0.75, aim: 0.4}},
			{key: keyGrowth, title: "growth per client", text: bytesText},
			{key: keyKernel, title: "kernel objects per client", text: bytesText},
			{key: keyTCP, title: "TCP buffers per client", text: bytesText},
		},
	},
	{
		name: "idle", title: "Idle CPU",
		text: "Clients that only answer the server's pings.",
		metrics: []metric{
			{key: keyCPU, title: "server CPU per client and second", text: microsText, goal: goal{limit: 2e-6}},
		},
	},
	{
		name: "slow", title: "Slow readers",
		text: "One room, with a message every 500 ms. Then 1 % of its members stop reading, and their connections are filled until the server cannot write to them any more. The latencies are those of the others.",
		metrics: []metric{
			{key: keyChange, title: "p99 with / without", text: timesText, goal: goal{limit: 1.2}},
			{key: keyWithout, title: "p99 without", text: millisText},
			{key: keyP99, title: "p99 with", text: millisText},
		},
	},
	{
		name: "redis", title: "Messages from Redis",
		text: "Messages are published on Redis as fast as they arrive, to a room with one client.",
		metrics: []metric{
			{key: keyCPU, title: "server CPU per message", text: microsText, goal: goal{ratio: true, limit: 0.7}},
			{key: keyRate, title: "messages/s", text: rateText, higher: true},
		},
	},
	{
		name: "scaling", title: "From one core to two", alone: true,
		text: "The burst, published on Redis at once, to the server on one core, and then on both of the machine's. So that it has both nearly for itself, the clients' process is stopped meanwhile: the time is that until everything is in the kernel, the little that Redis needs included. Afterwards the clients go on and check what they got.",
		metrics: []metric{
			{key: keyGain, title: "two cores / one", text: timesText, higher: true, goal: goal{limit: 1.6}},
			{key: keyRate, title: "deliveries/s on one", text: rateText, higher: true},
			{key: keyTwo, title: "deliveries/s on two", text: rateText, higher: true},
			{key: keyCPU, title: "CPU per delivery on one", text: microsText},
			{key: keyCPUTwo, title: "CPU per delivery on two", text: microsText},
		},
	},
	{
		name: "encrypted", title: "Encrypted clients",
		text: "A burst to clients that are all encrypted, and that open every message. Ignis on Bun has its users write the encryption; here it is its own ECDH class, on WebCrypto, in the transformer that the package has for that.",
		metrics: []metric{
			{key: keyRate, title: "deliveries/s", text: rateText, higher: true, goal: goal{ratio: true, limit: 20}},
			{key: keyCPU, title: "server CPU per delivery", text: microsText},
		},
	},
	{
		name: "encrypted-memory", title: "Memory of encryption", alone: true,
		text: "Idle clients as above, once in clear and once encrypted.",
		metrics: []metric{
			{key: keyGrowth, title: "more per encrypted client", text: bytesText, goal: goal{limit: 2048}},
			{key: keyMemory, title: "resident size / encrypted clients", text: bytesText},
			{key: keyCPU, title: "server CPU to connect an encrypted client", text: microsText},
		},
	},
	{
		name: strangers, title: "Strangers", alone: true, floods: true,
		text: strangersIntro,
		metrics: []metric{
			{key: keyCalmP50, title: "idle p50", text: millisText},
			{key: keyCalmP99, title: "idle p99", text: millisText},
			{key: keyP50, title: "p50", text: millisText},
			{key: keyP99, title: "p99", text: millisText},
			{key: keyMax, title: "max", text: millisText},
			{key: keyEntry, title: "getting in p50", text: millisText},
			{key: keyEntryMax, title: "getting in max", text: millisText},
			{key: keyFrames, title: "frames taken", text: rateText},
			{key: keyBytes, title: "bytes taken a second", text: bytesText},
			{key: keyShare, title: "of what was offered", text: percentText},
			{key: keyWaiting, title: "bytes waiting at the end", text: bytesText},
			{key: keyPeak, title: "server's memory at most", text: bytesText},
			{key: keyCPU, title: "server's cores", text: digits},
			{key: keyFloodCPU, title: "strangers' cores", text: digits},
			{key: keyOpened, title: "strangers connected", text: rateText},
			{key: keyClosed, title: "strangers closed", text: rateText},
			{key: keyLate, title: "probe late p99", text: millisText},
		},
	},
}

// has reports whether a system takes part in a workload.
func (w workload) has(s system) bool {
	switch {
	case s.only != "":
		return s.only == w.name
	case w.alone:
		return s.isOurs()
	case w.all:
		return true
	}
	return s.isOurs() || s.name == reference
}
