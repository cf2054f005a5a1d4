// Package httpapi is an HTTP API for a server of package ignis. Programs in any language
// publish messages, disconnect clients, revoke access, change the rooms of clients, and list
// the clients, users and rooms.
//
//	key, hash, err := httpapi.NewKey("billing") // give the key to the client, and keep the hash
//	api, err := httpapi.New(httpapi.Config{
//		Server: srv,
//		Keys:   []httpapi.Key{{ID: "billing", Hashes: []string{hash}, Scopes: []httpapi.Scope{httpapi.ScopePublish}}},
//		Store:  bus, // a redisbus.Bus; nil without other instances
//		Prefix: "/api",
//	})
//	mux.Handle("/api/", api)
//
// The API describes itself: /openapi.json and /openapi.yaml are its OpenAPI 3.1 document, and
// /docs is a page to try it. docs/http-api.md describes it for its users.
//
// An answer to a request to publish means that this instance has queued the message for its own
// clients, whose number it contains, and has handed it to the bus for the other instances. It
// does not mean that a client has received it.
//
// The operations to publish are decoded by hand, because they are called most often. The others
// use package huma, and so does the OpenAPI document.
package httpapi
