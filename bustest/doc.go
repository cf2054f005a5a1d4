// Package bustest provides test suites for implementations of [ignis.Bus] and
// [emitter.Publisher], and an in-memory bus for tests.
//
// [Run] runs the suite, which every implementation must pass:
//
//	func TestBus(t *testing.T) {
//		bustest.Run(t, func(t *testing.T, nodes int) []ignis.Bus { ... })
//	}
//
// [NewCluster] returns connected buses for several nodes in one process. They use neither
// a network nor timers, so they work inside testing/synctest bubbles.
//
// [RunPublisher] runs the suite for implementations of [emitter.Publisher]. [Publisher]
// implements that interface with a bus, so that an emitter and servers can be tested in one
// process.
package bustest
