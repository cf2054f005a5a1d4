package main

// metric is a figure of a workload.
type metric struct {
	key    string
	title  string
	text   func(float64) string
	higher bool // whether higher values are better
	goal   goal
}

// goal is the value that this library has to reach.
type goal struct {
	ratio bool    // whether the limit applies to the ratio to Ignis on Bun
	limit float64 // minimum, or maximum if lower values are better; 0 if there is no goal
	aim   float64 // desired value, 0 if there is none
}

// workload is a section of the results.
type workload struct {
	name    string
	title   string
	text    string // how it is measured
	all     bool   // whether every system takes part, instead of this library and the reference
	alone   bool   // whether only this library takes part
	floods  bool   // whether it has a row for each kind of flood
	metrics []metric
}

// Keys of metrics.
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

// workloads contains all workloads in the order of the sections.
var workloads = []workload{
	{
		name: "burst", title: "Burst", all: true,
		text: "Messages are published on Redis back to back, to a room that contains all clients. The rate is based on the wall time from the first publish to the last delivery.",
		metrics: []metric{
			{key: keyRate, title: "deliveries/s", text: rateText, higher: true, goal: goal{ratio: true, limit: 2.5}},
			{key: keyCPU, title: "server CPU per delivery", text: microsText},
		},
	},
	{
		name: "steady", title: "Steady", all: true,
		text: "A message is published on Redis every 100 ms, to a room that contains all clients.",
		metrics: []metric{
			{key: keyCPU, title: "server CPU per delivery", text: microsText, goal: goal{ratio: true, limit: 1, aim: 0.8}},
			{key: keyP50, title: "latency p50", text: millisText},
			{key: keyP99, title: "p99", text: millisText},
		},
	},
	{
		name: "chat", title: "Chat",
		text: "Each client sends a message to its room every 5 s. The server relays it to all members, including the sender, and to Redis.",
		metrics: []metric{
			{key: keyCPU, title: "server CPU per delivery", text: microsText, goal: goal{ratio: true, limit: 0.7}},
			{key: keyP50, title: "latency p50", text: millisText},
			{key: keyP99, title: "p99", text: millisText},
		},
	},
	{
		name: "connect", title: "Connect and authenticate", all: true,
		text: "From an idle server until the last client has received the connected event. Ignis on Bun logs two lines per client to its output and to a file, which cannot be configured. The table also contains its figures with the logger silenced by the program.",
		metrics: []metric{
			{key: keyCPU, title: "server CPU per client", text: microsText, goal: goal{ratio: true, limit: 0.6}},
			{key: keyRate, title: "clients/s", text: rateText, higher: true},
		},
	},
	{
		name: "memory", title: "Idle memory", all: true,
		text: "Clients that are authenticated and in three rooms (two default rooms and their own room, for which gws and gorilla have an index by ID, and centrifuge has nothing), after the size of the process has settled. Kernel memory is the growth on the whole machine, for both ends of the connections.",
		metrics: []metric{
			{key: keyMemory, title: "resident size / clients", text: bytesText, goal: goal{ratio: true, limit: 0.75, aim: 0.4}},
			{key: keyGrowth, title: "growth per client", text: bytesText},
			{key: keyKernel, title: "kernel objects per client", text: bytesText},
			{key: keyTCP, title: "TCP buffers per client", text: bytesText},
		},
	},
	{
		name: "idle", title: "Idle CPU",
		text: "Clients that only answer the pings of the server.",
		metrics: []metric{
			{key: keyCPU, title: "server CPU per client and second", text: microsText, goal: goal{limit: 2e-6}},
		},
	},
	{
		name: "slow", title: "Slow readers",
		text: "A message is published every 500 ms to one room. Then 1 % of its members stop reading, and their connections are filled until the server cannot write to them. The latencies are those of the other members.",
		metrics: []metric{
			{key: keyChange, title: "p99 with / without", text: timesText, goal: goal{limit: 1.2}},
			{key: keyWithout, title: "p99 without", text: millisText},
			{key: keyP99, title: "p99 with", text: millisText},
		},
	},
	{
		name: "redis", title: "Messages from Redis",
		text: "Messages are published on Redis at the rate at which they arrive, to a room with one client.",
		metrics: []metric{
			{key: keyCPU, title: "server CPU per message", text: microsText, goal: goal{ratio: true, limit: 0.7}},
			{key: keyRate, title: "messages/s", text: rateText, higher: true},
		},
	},
	{
		name: "scaling", title: "From one core to two", alone: true,
		text: "The burst is published on Redis at once, with the server on one core and then on both cores of the machine. So that the server has both cores almost to itself, the clients' process is stopped in the meantime. The time is measured until all data is in the kernel, including the little time that Redis needs. Afterwards the clients continue and check what they received.",
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
		text: "A burst to encrypted clients, which open every message. In Ignis on Bun, users implement encryption themselves. This test uses its own ECDH class, which is based on WebCrypto, in the transformer provided for that purpose.",
		metrics: []metric{
			{key: keyRate, title: "deliveries/s", text: rateText, higher: true, goal: goal{ratio: true, limit: 20}},
			{key: keyCPU, title: "server CPU per delivery", text: microsText},
		},
	},
	{
		name: "encrypted-memory", title: "Memory of encryption", alone: true,
		text: "Idle clients as above, once without and once with encryption.",
		metrics: []metric{
			{key: keyGrowth, title: "additional memory per encrypted client", text: bytesText, goal: goal{limit: 2048}},
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
			{key: keyEntry, title: "connecting p50", text: millisText},
			{key: keyEntryMax, title: "connecting max", text: millisText},
			{key: keyFrames, title: "frames taken", text: rateText},
			{key: keyBytes, title: "bytes taken per second", text: bytesText},
			{key: keyShare, title: "share of what was offered", text: percentText},
			{key: keyWaiting, title: "bytes waiting at the end", text: bytesText},
			{key: keyPeak, title: "peak memory of the server", text: bytesText},
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
