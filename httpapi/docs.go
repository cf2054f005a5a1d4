package httpapi

import (
	_ "embed" // the page
	"encoding/json"
	"net/http"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed page/docs.html
var docsPage []byte

//go:embed page/docs.js
var docsScript []byte

//go:embed page/docs.css
var docsStyle []byte

// docsPolicy allows the page to load only its own script and style, and to send requests only to
// its own host.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// registerDocs adds the OpenAPI document and the page to try the API.
func (h *Handler) registerDocs(doc *huma.OpenAPI) {
	if h.cfg.NoDocs {
		return
	}
	// They are rendered when they are first asked for, because that takes as long as the rest of New.
	asJSON, asYAML := rendered(func() ([]byte, error) { return json.Marshal(doc) }), rendered(doc.YAML)
	for path, f := range map[string]struct {
		contentType string
		body        func() []byte
	}{
		"/openapi.json": {"application/openapi+json", asJSON},
		"/openapi.yaml": {"application/openapi+yaml", asYAML},
		"/docs":         {"text/html; charset=utf-8", fixed(docsPage)},
		"/docs.js":      {"text/javascript; charset=utf-8", fixed(docsScript)},
		"/docs.css":     {"text/css; charset=utf-8", fixed(docsStyle)},
	} {
		h.handle(http.MethodGet, path, &operation{id: path, serve: func(c *call) {
			header := c.w.Header()
			header.Set("Content-Type", f.contentType)
			header.Set("Content-Security-Policy", docsPolicy)
			header.Set("X-Content-Type-Options", "nosniff")
			header.Set("Referrer-Policy", "no-referrer")
			header.Set("Cache-Control", "no-cache")
			c.send(http.StatusOK, f.body())
		}})
	}
}

// rendered returns a function that calls render the first time, and may be called concurrently.
func rendered(render func() ([]byte, error)) func() []byte {
	return sync.OnceValue(func() []byte {
		b, err := render()
		if err != nil {
			panic(err) // it does not depend on the configuration, nor on the request
		}
		return b
	})
}

func fixed(b []byte) func() []byte { return func() []byte { return b } }
