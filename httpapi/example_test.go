package httpapi_test

import (
	"log"
	"net/http"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/httpapi"
	"github.com/ignis-go/ignis/redisbus"
)

// The API next to the WebSocket endpoint of a server.
func ExampleNew() {
	var srv *ignis.Server // a server that runs
	var bus *redisbus.Bus // its bus
	api, err := httpapi.New(httpapi.Config{
		Server: srv,
		Keys: []httpapi.Key{{
			ID:     "billing",
			Hashes: []string{"sha256:0c2f..."}, // printed when the key was made; see NewKey
			Scopes: []httpapi.Scope{httpapi.ScopePublish},
		}},
		Store:  bus,
		Prefix: "/api",
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/ws", srv)
	mux.Handle("/api/", api)
}
