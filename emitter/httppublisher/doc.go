// Package httppublisher sends what an emitter publishes through the HTTP API of a server (see
// package httpapi), for processes that cannot reach Redis or should not have its password.
//
//	p, err := httppublisher.New(httppublisher.Config{URL: "https://rt.example.com/api", Key: key})
//	e, err := emitter.New(p, emitter.Config{})
//	err = e.Send(ctx, wire.ToUser("42"), "report:ready", report)
//
// The key needs the scope publish, and manage for commands such as [emitter.Emitter.Revoke]. A
// [Publisher] passes the test suite for publishers in package bustest.
//
// [emitter.Emitter.SendAll] takes one request for hundreds of messages and is many times cheaper
// than calling Send for each.
package httppublisher
