package app

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
)

// scriptPath is the path of the client for browsers.
const scriptPath = "/ignis.js"

// clientScript is the client in sdk/ts, built for pages without a bundler. It is in the
// repository so that go install needs no npm; make ignis-js builds it.
//
//go:embed sdk/ignis.js
var clientScript []byte

// script serves the client for browsers.
type script struct {
	version string // changes with the text
	zipped  []byte
}

func newScript() *script {
	sum := sha256.Sum256(clientScript)
	var zipped bytes.Buffer
	z, _ := gzip.NewWriterLevel(&zipped, gzip.BestCompression) // the level is valid
	_, _ = z.Write(clientScript)                               // a Buffer accepts everything
	_ = z.Close()
	return &script{version: hex.EncodeToString(sum[:6]), zipped: zipped.Bytes()}
}

// ServeHTTP serves the script. Pages on other origins may use it too, because it contains nothing
// that belongs to anyone. A request that names the version may be cached forever.
func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !onlyGet(w, r) {
		return
	}
	h := w.Header()
	h.Set("Content-Type", contentTypes[".js"])
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Cache-Control", "public, max-age=300")
	if r.URL.RawQuery == "v="+s.version {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	h.Set("Vary", "Accept-Encoding")
	text, tag := clientScript, s.version
	if acceptsGzip(r) {
		text, tag = s.zipped, s.version+"-gzip"
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
}

// acceptsGzip reports whether the client accepts the encoding gzip. Clients that exclude it
// with q=0 get the text as it is, as do those that accept it only through *.
func acceptsGzip(r *http.Request) bool {
	for _, field := range r.Header.Values("Accept-Encoding") {
		for item := range strings.SplitSeq(field, ",") {
			name, weight, _ := strings.Cut(item, ";")
			_, q, _ := strings.Cut(weight, "=")
			if strings.EqualFold(strings.TrimSpace(name), "gzip") {
				return weight == "" || strings.Trim(q, "0. ") != ""
			}
		}
	}
	return false
}
