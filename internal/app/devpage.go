package app

import (
	"embed"
	"encoding/json"
	"html"
	"log/slog"
	"net/http"
	"path"
	"regexp"
	"strings"
)

//go:embed dev
var devFiles embed.FS

// devPrefix is the path under which the files of the page are served.
const devPrefix = "/dev/"

// docsPrefix is the path under which the documentation is served.
const docsPrefix = "/docs/"

// isDevPath reports whether a path is that of the page, one of its files, or the documentation.
func isDevPath(p string) bool {
	return p == "/" || strings.HasPrefix(p, devPrefix) || isDocsPath(p)
}

func isDocsPath(p string) bool { return belowPath(p, strings.TrimSuffix(docsPrefix, "/")) }

// Terminal says how to run this program in a terminal. The page of the development mode shows
// commands that can be copied.
type Terminal struct {
	// Program are the words that run the program, such as ./bin/ignis.
	Program []string `json:"program"`
	// Directory is the working directory, if the commands must be run there.
	Directory string `json:"directory,omitempty"`
	// Redis are the flags that name the Redis of this server and the prefix, without passwords.
	// Empty if there is no Redis.
	Redis []string `json:"redis"`
}

// page returns the page for its server.
func (d *devMode) page() (string, error) {
	layout, err := devFiles.ReadFile("dev/index.html")
	if err != nil {
		return "", err
	}
	terminal, err := json.Marshal(d.terminal)
	if err != nil {
		return "", err
	}
	// Not html/template: it finds methods by name, so that the linker would have to keep all
	// methods in the program.
	return strings.NewReplacer(
		"{{path}}", html.EscapeString(d.path),
		"{{script}}", html.EscapeString(scriptPath+"?v="+d.script.version),
		"{{terminal}}", html.EscapeString(string(terminal)),
	).Replace(string(layout)), nil
}

// contentPolicy allows the page to load its own files and to connect to its own server, and
// nothing else. Texts cannot become HTML or code.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'%; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// namedHost matches the hosts that a policy can name.
var namedHost = regexp.MustCompile(`^(localhost|[0-9.]+)(:[0-9]+)?$`)

// policyFor returns the policy of a page that was loaded from a host. In some browsers 'self'
// does not include ws:// and wss://.
func policyFor(host string) string {
	sockets := ""
	if namedHost.MatchString(host) {
		sockets = " ws://" + host + " wss://" + host
	}
	return strings.Replace(contentPolicy, "%", sockets, 1)
}

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
		switch { // checkPath has refused these paths for the endpoint
		case isDocsPath(r.URL.Path):
			d.serveDocs(w, r)
		case isDevPath(r.URL.Path):
			d.servePage(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// servePage serves the page and its files.
func (d *devMode) servePage(w http.ResponseWriter, r *http.Request) {
	if !onlyGet(w, r) {
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", policyFor(r.Host))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache")
	if r.URL.Path == "/" {
		page, err := d.page()
		if err != nil {
			d.log.Error("page cannot be made", "error", err)
			http.Error(w, "the page cannot be made; see the log", http.StatusInternalServerError)
			return
		}
		h.Set("Content-Type", "text/html; charset=utf-8")
		if _, err := w.Write([]byte(page)); err != nil {
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

// serveDocs serves the documentation, which it renders when it is first wanted.
func (d *devMode) serveDocs(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path+"/" == docsPrefix {
		http.Redirect(w, r, docsPrefix, http.StatusFound)
		return
	}
	site, err := d.docs()
	if err != nil {
		d.limit.Log(slog.LevelError, "documentation not rendered", "error", err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	http.StripPrefix(docsPrefix, site).ServeHTTP(w, r)
}

// contentTypes are used instead of package mime, whose types depend on the system.
var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}
