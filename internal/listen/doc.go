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
// Accept returns a connection that needs neither a PROXY header nor TLS as package net
// created it. Each other connection is prepared on its own goroutine, and Accept returns it
// when it is ready, so a slow peer does not delay others. The number of connections that are
// being prepared and the time for it are limited.
//
// No bytes after a PROXY header are buffered. The connection below it is therefore still a
// plain socket, which [Inner] returns.
package listen
