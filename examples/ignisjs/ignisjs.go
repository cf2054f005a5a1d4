// Package ignisjs serves the client for browsers to the pages of the examples. In your
// application, take ignis.js from the npm package @ignis-go/client, or use a bundler.
package ignisjs

import (
	_ "embed"
	"net/http"
)

// Script is the client for browsers. make ignis-js builds it.
//
//go:embed ignis.js
var Script []byte

// Serve responds with the script.
func Serve(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	_, _ = w.Write(Script)
}
