// Package webhook connects an Ignis server with the HTTP endpoint of an application, in
// any language. The methods of a [Client] are the callbacks of [ignis.Config]:
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
// Authenticate, ValidateRooms and OnMessage ask the endpoint and wait for its answer.
// OnConnect, OnJoin, OnLeave, OnDisconnect and TellMessage tell it what has happened, and
// wait for nothing: events go through a bounded queue in memory and are sent in batches,
// those of one client in order. Use the callbacks that the application needs, and leave
// out the others.
//
// Every request is a POST with a JSON body that is signed as the Standard Webhooks
// specification (https://www.standardwebhooks.com) describes, with the headers webhook-id,
// webhook-timestamp and webhook-signature. In Go, a [Verifier] checks them.
// docs/webhooks.md describes the requests and answers, with endpoints in Go, Node.js,
// Python and PHP.
//
// An endpoint that fails cannot harm the server. Requests have a timeout and their number
// is limited. After repeated failures a circuit opens: for a few seconds no request is
// sent, and then a single one tests whether the endpoint works again. Clients that cannot
// be authenticated meanwhile are closed with 1013, so that they try again.
package webhook
