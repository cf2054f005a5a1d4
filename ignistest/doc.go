// Package ignistest runs servers in memory, for tests of applications that use package
// ignis.
//
// [NewServer] runs a server until the test ends, and [Server.Dial] connects a client to it.
// The methods of [Client] fail the test if the server does not behave as expected:
//
//	func TestNews(t *testing.T) {
//		srv := ignistest.NewServer(t, config)
//		ann := srv.Dial(t, map[string]string{"token": "ann"})
//		ann.Join("news")
//		ann.Request("publish", "hello", nil)
//		ann.Expect("published", &text)
//	}
//
// Servers and clients are real, but connected by pipes instead of a network. They therefore
// also work in the fake time of [testing/synctest], where heartbeats, timeouts and expiring
// sessions take no real time, and a leaked goroutine fails the test.
package ignistest
