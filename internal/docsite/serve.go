package docsite

import (
	"bytes"
	"net/http"
	"path"
	"strings"
	"time"
)

// metaPolicy is the content security policy in the pages. They load only their own files. Texts
// cannot become HTML or code.
const metaPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// policy is metaPolicy with what only a header can say.
const policy = metaPolicy + "; frame-ancestors 'none'"

// contentTypes are used instead of package mime, whose types depend on the system.
var contentTypes = map[string]string{
	".css":  "text/css; charset=utf-8",
	".gif":  "image/gif",
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".json": "application/json",
	".md":   "text/markdown; charset=utf-8",
	".png":  "image/png",
	".svg":  "image/svg+xml",
	".txt":  "text/plain; charset=utf-8",
}

// ServeHTTP serves the file that the path of the request names. Use [http.StripPrefix] to serve the
// site in a folder, whose path must end with a slash.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "Only GET and HEAD are allowed here.", http.StatusMethodNotAllowed)
		return
	}
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache")
	name := strings.TrimPrefix(r.URL.Path, "/")
	if name == "" {
		name = "index.html"
	}
	f, ok := s.files[name]
	switch {
	case ok:
		h.Set("Content-Type", contentTypes[path.Ext(name)])
		h.Set("ETag", `"`+f.tag+`"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
	case s.files[name+".html"].content != nil:
		h.Set("Location", name+".html") // relative, because the prefix is unknown here
		w.WriteHeader(http.StatusFound)
	case strings.Contains(name, "/"): // the links of the page would lead nowhere
		http.NotFound(w, r)
	default:
		h.Set("Content-Type", contentTypes[".html"])
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write(s.files["404.html"].content) // the peer may have gone
	}
}
