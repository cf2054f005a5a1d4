package app

import (
	"embed"
	"log/slog"
	"net/http"
	"path"
	"strings"
)

//go:embed dev
var devFiles embed.FS

// devPrefix is the path under which the files of the page are served.
const devPrefix = "/dev/"

func isDevPath(p string) bool { return p == "/" || strings.HasPrefix(p, devPrefix) }

// contentPolicy allows the page to load its own files and to connect to its own server, and
// nothing else. In some browsers 'self' does not include ws:// and wss://.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
	"connect-src 'self' ws://localhost:* ws://127.0.0.1:* wss://localhost:* wss://127.0.0.1:*; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// guard serves the page and passes other requests on to next. It refuses requests that name
// another host: a web site could resolve its own name to this machine (DNS rebinding) and
// make a browser send them.
func (d *devMode) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLoopbackHost(r.Host) {
			d.limit.Log(slog.LevelWarn, "request refused: development mode accepts only requests for localhost and loopback addresses", "host", r.Host)
			http.Error(w, "Development mode accepts only requests for localhost and loopback addresses.", http.StatusForbidden)
			return
		}
		if isDevPath(r.URL.Path) { // checkPath has refused such a path for the endpoint
			d.servePage(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// servePage serves the page and its files.
func (d *devMode) servePage(w http.ResponseWriter, r *http.Request) {
	if !onlyGet(w, r) {
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	if r.URL.Path == "/" {
		h.Set("Content-Type", "text/html; charset=utf-8")
		if err := d.page.Execute(w, struct{ Path string }{d.path}); err != nil {
			d.log.Debug("page not sent", "error", err)
		}
		return
	}
	name := strings.TrimPrefix(r.URL.Path, devPrefix)
	text, err := devFiles.ReadFile(path.Join("dev", name))
	if err != nil || strings.Contains(name, "/") || name == "index.html" {
		http.NotFound(w, r)
		return
	}
	h.Set("Content-Type", contentTypes[path.Ext(name)])
	if _, err := w.Write(text); err != nil {
		d.log.Debug("file not sent", "error", err)
	}
}

// contentTypes are used instead of package mime, whose types depend on the system.
var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}
