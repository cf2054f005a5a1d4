package main

import (
	"cmp"

	"github.com/ignis-go/ignis/bench/internal/flood"
)

// metric is a figure of a workload.
type metric struct {
	key    string
	title  string
	text   func(float64) string
	higher bool // whether higher values are better
	goal   goal
}

// goal is the value that this library should reach.
type goal struct {
	ratio bool    // whether limit and aim apply to the ratio to the reference
	limit float64 // minimum, or maximum if lower values are better; 0 if there is no goal
	aim   float64 // more ambitious limit, 0 if there is none
}

// workload is a section of the results.
type workload struct {
	name    string
	title   string
	text    string // description of the measurement
	all     bool   // whether every system takes part, instead of only this library and the reference
	alone   bool   // whether only this library takes part
	against string // system that is the reference instead of Ignis on Bun, if not empty
	metrics []metric

	kinds     func() []flood.Kind // the table has a row for each of them; nil if there are no floods
	floodGoal floodGoal
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

	keyBatchRate  = "batch_per_second"
	keyBatchCPU   = "batch_cpu"
	keyBatchTimes = "batch_times"

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
	keyRefused  = "refused"
)

// workloads contains all workloads in the order of the sections.
var workloads = []workload{
	{
		name: "burst", title: "Burst", all: true,
		text: "Messages to a room that contains all clients are published on Redis back to back. The rate is based on the wall time from the first publish to the last delivery.",
		metrics: []metric{
			{key: keyRate, title: "deliveries/s", text: rateText, higher: true, goal: goal{ratio: true, limit: 2.5}},
			{key: keyCPU, title: "server CPU per delivery", text: microsText},
		},
	},
	{
		name: "steady", title: "Steady", all: true,
		text: "A message to a room that contains all clients is published on Redis every 100 ms.",
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
		text: "From the first connection to an idle server until the last client has received the connected event. Ignis on Bun logs two lines per client, to standard output and to a file. It has no setting for that, so the table also shows it with its logger silenced by the comparison's program.",
		metrics: []metric{
			{key: keyCPU, title: "server CPU per client", text: microsText, goal: goal{ratio: true, limit: 0.6}},
			{key: keyRate, title: "clients/s", text: rateText, higher: true},
		},
	},
	{
		name: "memory", title: "Idle memory", all: true,
		text: "The memory of a server whose clients are authenticated, in rooms and idle, once the size of the process has settled. Each client is in the two default rooms and in its own room; the servers for gws and gorilla have an index by ID instead of the latter, and the one for centrifuge has neither. Kernel memory is the growth on the whole machine, so it includes both ends of the connections.",
		metrics: []metric{
			{key: keyMemory, title: "resident size per client", text: bytesText, goal: goal{ratio: true, limit: 0.75, aim: 0.4}},
			{key: keyGrowth, title: "growth per client", text: bytesText},
			{key: keyKernel, title: "kernel objects per client", text: bytesText},
			{key: keyTCP, title: "TCP buffers per client", text: bytesText},
		},
	},
	{
		name: "idle", title: "Idle CPU",
		text: "The clients only answer the pings of the server.",
		metrics: []metric{
			{key: keyCPU, title: "server CPU per client per second", text: microsText, goal: goal{limit: 2e-6}},
		},
	},
	{
		name: "slow", title: "Slow readers",
		text: "A message to one room is published on Redis every 500 ms. Then clients that do not read join the room (1 % of all clients), and their connections are filled until the server cannot write to them. The latencies without and with them are those of the other clients.",
		metrics: []metric{
			{key: keyChange, title: "p99 with / without slow clients", text: timesText, goal: goal{limit: 1.2}},
			{key: keyWithout, title: "p99 without", text: millisText},
			{key: keyP99, title: "p99 with", text: millisText},
		},
	},
	{
		name: "redis", title: "Messages from Redis",
		text: "Messages to a room with one client are published on Redis as fast as the client receives them.",
		metrics: []metric{
			{key: keyCPU, title: "server CPU per message", text: microsText, goal: goal{ratio: true, limit: 0.7}},
			{key: keyRate, title: "messages/s", text: rateText, higher: true},
		},
	},
	{
		name: publishing, title: "Publish over HTTP", against: centrifugo, text: publishingIntro,
		metrics: []metric{
			{key: keyRate, title: "requests/s", text: rateText, higher: true, goal: goal{ratio: true, limit: 1}},
			{key: keyCPU, title: "server CPU per request", text: microsText, goal: goal{ratio: true, limit: 0.8}},
			{key: keyP99, title: "p99 of a request", text: millisText},
			{key: keyBatchTimes, title: "CPU of a single message / of one in a batch", text: timesText, higher: true, goal: goal{limit: 20}},
			{key: keyBatchCPU, title: "server CPU per message in a batch", text: microsText},
			{key: keyBatchRate, title: "messages/s in batches", text: rateText, higher: true},
		},
	},
	{
		name: "scaling", title: "From one core to two", alone: true,
		text: "A burst is published on Redis in one piece, with the server on one core and then on both cores. The clients' process is stopped in the meantime, so that the server has the cores almost to itself. The time ends when all data is in the kernel, and includes the little time that Redis needs. Then the clients continue and check what they received.",
		metrics: []metric{
			{key: keyGain, title: "two cores / one core", text: timesText, higher: true, goal: goal{limit: 1.6}},
			{key: keyRate, title: "deliveries/s on one core", text: rateText, higher: true},
			{key: keyTwo, title: "deliveries/s on two cores", text: rateText, higher: true},
			{key: keyCPU, title: "CPU per delivery on one core", text: microsText},
			{key: keyCPUTwo, title: "CPU per delivery on two cores", text: microsText},
		},
	},
	{
		name: "encrypted", title: "Encrypted clients",
		text: "A burst to encrypted clients, which decrypt every message. Ignis on Bun leaves encryption to applications. In this comparison, its server uses the ECDH class of Ignis, which is based on WebCrypto, in the outbound transformer that Ignis provides for that purpose.",
		metrics: []metric{
			{key: keyRate, title: "deliveries/s", text: rateText, higher: true, goal: goal{ratio: true, limit: 20}},
			{key: keyCPU, title: "server CPU per delivery", text: microsText},
		},
	},
	{
		name: "encrypted-memory", title: "Memory of encryption", alone: true,
		text: "Idle clients as in the section Idle memory, first without and then with encryption.",
		metrics: []metric{
			{key: keyGrowth, title: "additional memory per encrypted client", text: bytesText, goal: goal{limit: 2048}},
			{key: keyMemory, title: "resident size per encrypted client", text: bytesText},
			{key: keyCPU, title: "server CPU to connect an encrypted client", text: microsText},
		},
	},
	{
		name: strangers, title: "Strangers", alone: true, kinds: flood.Kinds, floodGoal: floodGoal{3, 0.050},
		text: strangersIntro, metrics: floodMetrics(),
	},
	{
		name: attacks, title: "Attacks", alone: true, kinds: flood.Attacks, floodGoal: floodGoal{1.5, 0.020},
		text:    attacksIntro,
		metrics: append(floodMetrics(), metric{key: keyRefused, title: "refused", text: countText}),
	},
}

// floodMetrics returns the metrics of a workload with floods.
func floodMetrics() []metric {
	return []metric{
		{key: keyCalmP50, title: "idle p50", text: millisText},
		{key: keyCalmP99, title: "idle p99", text: millisText},
		{key: keyP50, title: "p50", text: millisText},
		{key: keyP99, title: "p99", text: millisText},
		{key: keyMax, title: "max", text: millisText},
		{key: keyEntry, title: "connecting p50", text: millisText},
		{key: keyEntryMax, title: "connecting max", text: millisText},
		{key: keyFrames, title: "frames read", text: rateText},
		{key: keyBytes, title: "bytes read per second", text: bytesText},
		{key: keyShare, title: "share of frames offered", text: percentText},
		{key: keyWaiting, title: "bytes waiting at the end", text: bytesText},
		{key: keyPeak, title: "peak memory of the server", text: bytesText},
		{key: keyCPU, title: "cores used by the server", text: digits},
		{key: keyFloodCPU, title: "cores used by the strangers", text: digits},
		{key: keyOpened, title: "strangers connected", text: rateText},
		{key: keyClosed, title: "strangers closed", text: rateText},
		{key: keyLate, title: "probe late p99", text: millisText},
	}
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
	return s.isOurs() || s.name == w.reference()
}

// reference returns the name of the system that the others are compared with.
func (w workload) reference() string { return cmp.Or(w.against, reference) }
