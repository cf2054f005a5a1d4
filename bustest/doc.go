// Package bustest tests buses, and has one for tests.
//
// [Run] is the suite that any implementation of [ignis.Bus] must pass:
//
//	func TestBus(t *testing.T) {
//		bustest.Run(t, func(t *testing.T, nodes int) []ignis.Bus { ... })
//	}
//
// [NewCluster] makes buses for many nodes in one process, without a network
// and without time: they work inside testing/synctest bubbles.
package bustest
