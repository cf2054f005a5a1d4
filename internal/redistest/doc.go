// Package redistest starts real Redis processes for tests: a single Redis, a master with a
// replica and Sentinels, or a Cluster. They listen on free loopback ports, write only to
// their own temporary directories, and end with the test.
//
//	r := redistest.Start(t)
//	bus, err := redisbus.New(redisbus.Config{URL: r.URL()})
//	...
//	r.Kill()    // kill -9
//	r.Restart() // on the same port, empty
//
// If redis-server or redis-cli is not installed, the test is skipped. With
// TEST_REQUIRE_REDIS=1 in the environment it fails instead, so that continuous integration
// cannot pass by skipping tests.
//
// Only tests import this package.
package redistest
