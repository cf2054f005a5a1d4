// Package ignistest runs servers in memory for tests of applications that use package
// ignis.
//
// [NewServer] runs a server until the test ends, and [Server.Dial] connects a client to
// it. The methods of [Client] fail the test if something unexpected happens:
//
//	func TestNews(t *testing.T) {
//		srv := ignistest.NewServer(t, config)
//		ann := srv.Dial(t, map[string]string{"token": "ann"})
//		ann.Join("news")
//		ann.Request("publish", "hello", nil)
//		ann.Expect("published", &text)
//	}
//
// The servers and clients are real, but connected by pipes instead of a network. They also
// work in the fake time of [testing/synctest], where heartbeats, timeouts and the expiry of
// sessions take no time, and a leaked goroutine fails the test.
package ignistest
