// Package listen opens the listeners of a server and prepares their connections: it binds TCP
// addresses and Unix sockets, reads the PROXY protocol, and performs TLS handshakes with
// certificates that it reloads when their files change.
//
//	l, err := listen.New(listen.Config{Addresses: addresses, TLS: files, Log: log})
//	err = l.Open(ctx)
//	defer l.Close()
//	for _, one := range l.All() {
//		go server.Serve(one)
//	}
//
// A connection that needs neither a PROXY header nor TLS is returned by Accept as package
// net made it. Any other connection is prepared on a goroutine of its own, and Accept
// returns it when that is done. So a peer that is slow holds up nobody else. How many
// connections are prepared at the same time, and for how long, is limited.
//
// A PROXY header is read exactly, without buffering what follows. The connection below is
// therefore still a plain socket, which [Inner] returns.
package listen
