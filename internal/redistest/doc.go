// Package redistest starts real Redis processes for tests: one Redis, a master
// with a replica and Sentinels, or a Cluster. Each listens on free loopback
// ports, keeps nothing on disk but its own temporary directory, and ends with
// the test.
//
//	r := redistest.Start(t)
//	bus, err := redisbus.New(redisbus.Config{URL: r.URL()})
//	...
//	r.Kill()    // kill -9
//	r.Restart() // the same port again, empty
//
// A test that needs redis-server is skipped where there is none, unless the
// environment has IGNIS_REQUIRE_REDIS=1: then it fails, so that continuous
// integration cannot pass by skipping.
//
// Only tests import this package.
package redistest
