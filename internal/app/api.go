package app

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ignis-go/ignis/httpapi"
	"github.com/ignis-go/ignis/internal/listen"
	"github.com/ignis-go/ignis/internal/logarea"
)

// API configures the HTTP API.
type API struct {
	// Keys are the API keys. Without keys there is no API, and its paths answer 404.
	Keys []httpapi.Key
	// Path is the path below which the API is, such as /api. It may be empty if there are no
	// keys.
	Path string
	// Listen holds the addresses of the API. They use the files for TLS and the limits for
	// connections of Config.Listen. Empty: the API is on the addresses of Config.Listen.
	Listen []listen.Address
	// OnReady, if not nil, is called after Config.OnReady with the addresses in Listen, in the
	// same form, unless Listen is empty.
	OnReady func(urls []string)
}

// checkAPI returns an error for settings of the API that contradict others.
func (c *Config) checkAPI() error {
	p := c.API.Path
	if p == "" && len(c.API.Keys) == 0 && len(c.API.Listen) == 0 {
		return nil
	}
	if u, err := url.Parse(p); err != nil || p == "/" || !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//") || strings.HasSuffix(p, "/") ||
		u.Path != p || strings.ContainsAny(p, "?#") {
		return usage("", "--api-path: expected a path such as /api, without a slash at the end, but got %q", p)
	}
	if len(c.API.Listen) == 0 {
		for _, taken := range []string{c.Path, scriptPath, healthPath, readyPath, startupPath} {
			if belowPath(taken, p) {
				return usage("choose another path, or set --api-listen", "--api-path: the API cannot be at %s, because %s is on the same addresses", p, taken)
			}
		}
		if c.Dev && isDevPath(p+"/") {
			return usage("choose another path", "--api-path: the API cannot be at %s, because the page or the documentation of the development mode is there", p)
		}
	}
	if err := httpapi.CheckKeys(c.API.Keys); err != nil {
		return usage("ignis api-key ID makes a key and prints its entry", "api.keys: %s", strings.TrimPrefix(err.Error(), "httpapi: "))
	}
	return nil
}

// belowPath reports whether path is prefix or below it.
func belowPath(path, prefix string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/')
}

// apiHost serves the HTTP API, as long as there are keys.
type apiHost struct {
	cfg     httpapi.Config // without Keys
	handler *httpapi.Handler
	on      atomic.Bool // set once handler is, and while there are keys
}

// setAPI prepares the API. The bus stores idempotency keys.
func (a *App) setAPI() error {
	cfg := httpapi.Config{
		Server: a.server, Prefix: a.cfg.API.Path,
		Software: a.cfg.Server.Software, Logger: logarea.With(a.base, logarea.HTTP),
		MaxBody: max(minAPIBody, a.cfg.Server.MaxMessage+apiBodyReserve), // so that the largest message fits
	}
	if a.bus != nil {
		cfg.Store = a.bus
	}
	if a.recorder != nil {
		cfg.OnRequest = func(i httpapi.RequestInfo) {
			a.recorder.APIRequest(i.Operation, i.Status, i.Duration, i.Messages)
		}
	}
	a.api = &apiHost{cfg: cfg}
	if len(a.cfg.API.Keys) == 0 && len(a.cfg.API.Listen) > 0 {
		a.log.Warn("the HTTP API has an address, but no keys, so it answers 404; ignis api-key makes a key")
	}
	return a.api.setKeys(a.cfg.API.Keys)
}

const (
	// minAPIBody is the minimum of the limit for bodies of the API, in bytes.
	minAPIBody = 2 << 20
	// apiBodyReserve is how much larger than a message a body may be, in bytes.
	apiBodyReserve = 1 << 20
)

// setKeys replaces the keys, which Config.check has accepted. It must not be called concurrently.
func (h *apiHost) setKeys(keys []httpapi.Key) (err error) {
	switch {
	case h.handler != nil:
		err = h.handler.SetKeys(keys)
	case len(keys) > 0:
		cfg := h.cfg
		cfg.Keys = keys
		h.handler, err = httpapi.New(cfg)
	}
	if err != nil {
		return usage("", "api: %w", err)
	}
	h.on.Store(len(keys) > 0)
	return nil
}

// apiWriteTimeout is the time in which a request of the API must have been answered: the body
// arrives within 10 s, a command waits up to 5 s for the bus, and the two calls of the store take
// up to 2 s each.
const apiWriteTimeout = 30 * time.Second

// serves reports whether a request is for the API.
func (h *apiHost) serves(r *http.Request) bool {
	return h.on.Load() && belowPath(r.URL.Path, h.cfg.Prefix)
}

// ServeHTTP serves a request of the API, for which serves has returned true.
func (h *apiHost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The WriteTimeout of the server is shorter than the time that a body may take.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(apiWriteTimeout)) // without it, a slow answer is lost
	h.handler.ServeHTTP(w, r)
}

// apiHandler serves only the API, on addresses of its own.
func (a *App) apiHandler() http.Handler {
	return a.clientAddress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.api.serves(r) {
			http.NotFound(w, r)
			return
		}
		a.api.ServeHTTP(w, r)
	}))
}

// addresses returns all addresses to listen on: those of clients, those of the API, and that of
// plain HTTP.
func (c *Config) addresses() []listen.Address {
	list := slices.Concat(c.Listen.Addresses, c.API.Listen)
	if c.ACME.HTTP.Name != "" {
		list = append(list, c.ACME.HTTP)
	}
	return list
}

// isOfAPI reports whether the address with this index in Config.addresses is one of the API's.
func (a *App) isOfAPI(i int) bool { return i >= len(a.cfg.Listen.Addresses) && !a.isOfACME(i) }

// ready calls the functions OnReady with the addresses of the listeners.
func (a *App) ready(urls []string) {
	clients := len(a.cfg.Listen.Addresses)
	urls = urls[:clients+len(a.cfg.API.Listen)] // without that of plain HTTP
	if a.cfg.OnReady != nil {
		a.cfg.OnReady(urls[:clients])
	}
	if a.cfg.API.OnReady != nil && len(urls) > clients {
		a.cfg.API.OnReady(urls[clients:])
	}
}
