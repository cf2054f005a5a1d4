// Package acmecert obtains certificates from an authority that speaks ACME (RFC 8555), such as
// Let's Encrypt, and renews them.
//
//	m, err := acmecert.New(acmecert.Config{Domains: domains, Cache: folder, Logger: logger})
//	err = m.Open()
//	go m.Run(ctx)
//	secure := tls.NewListener(l, m.TLSConfig())
//	go http.ListenAndServe(":80", m.HTTPHandler())
//
// [Manager.Run] orders certificates, never a handshake. A client can therefore neither cause an
// order nor wait for one: [Manager.TLSConfig] answers with the certificate that is there, or
// refuses. Run orders one certificate after the other, and after a failure it waits. Certificates,
// keys and failures are stored in a folder, so a restart causes no order either. Several processes
// can share the folder. One of them orders, and all of them answer the challenges.
package acmecert
