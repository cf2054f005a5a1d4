// Package ignistest runs servers in memory, to test applications that use package ignis.
//
// [NewServer] runs a server until the test ends, [Server.Dial] connects a client to it, and
// the methods of [Client] fail the test where something else happens than it expects:
//
//	func TestNews(t *testing.T) {
//		srv := ignistest.NewServer(t, config)
//		ann := srv.Dial(t, map[string]string{"token": "ann"})
//		ann.Join("news")
//		ann.Request("publish", "hello", nil)
//		ann.Expect("published", &text)
//	}
//
// Servers and clients are the real ones, connected by pipes in place of a network. So all
// of it also runs in the fake time of [testing/synctest], where heartbeats, timeouts and
// sessions that expire take no time, and a goroutine that is left fails the test.
package ignistest
