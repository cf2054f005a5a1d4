// Package webhook connects an Ignis server to an HTTP endpoint of the application, which
// can be written in any language. The methods of a [Client] are callbacks for
// [ignis.Config]:
//
//	hooks, err := webhook.New(webhook.Config{
//		URL:     "https://app.example.com/ignis",
//		Secrets: []string{secret},
//	})
//	...
//	srv, err := ignis.New(ignis.Config{
//		Authenticate:  hooks.Authenticate,
//		ValidateRooms: hooks.ValidateRooms,
//		OnMessage:     hooks.OnMessage,
//		OnConnect:     hooks.OnConnect,
//		OnDisconnect:  hooks.OnDisconnect,
//	})
//	go hooks.Run(ctx)
//
// Authenticate, ValidateRooms and OnMessage ask the endpoint a question and wait for the
// answer. OnConnect, OnJoin, OnLeave, OnDisconnect and TellMessage report an event and
// return immediately. Events wait in a bounded queue in memory and are sent in batches; the
// events of one client stay in order. Set only the callbacks that the application needs.
//
// Each request is a POST with a JSON body, signed according to the Standard Webhooks
// specification (https://www.standardwebhooks.com) in the headers webhook-id,
// webhook-timestamp and webhook-signature. In Go, a [Verifier] verifies requests.
// docs/webhooks.md describes requests and answers, and docs/webhook-endpoints.md has
// endpoints in Go, Node.js, Python and PHP.
//
// An endpoint that fails does not affect the delivery of messages. The duration and the
// number of requests are limited. After repeated failures a circuit opens: no requests are
// sent for a few seconds, and then a single one tests whether the endpoint works again.
// Clients that cannot be authenticated meanwhile are closed with 1013, so that they try
// again later.
package webhook
