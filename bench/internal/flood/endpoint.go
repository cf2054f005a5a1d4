package flood

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Fault is what is wrong with an endpoint.
type Fault int32

// The faults.
const (
	None  Fault = iota
	Hangs       // accepts requests and does not answer them
	Fails       // answers with the status 500
	Talks       // answers with a text that is not JSON
)

// String returns the end of the name of a kind.
func (f Fault) String() string { return [...]string{"works", "hangs", "fails", "nonsense"}[f] }

func (f Fault) text() string {
	return [...]string{"works", "does not answer", "answers with the status 500", "answers with HTML"}[f]
}

// keyID is the ID of the only key in the JWK set.
const keyID = "bench"

// Endpoint stands for what an application has behind a server: a webhook that allows
// everything, and a JWK set.
type Endpoint struct {
	URL    string // without a slash at the end
	keys   []byte
	fault  atomic.Int32
	server *http.Server
	ended  chan error
}

// NewEndpoint starts an endpoint on a loopback address. It must be closed.
func NewEndpoint() (*Endpoint, error) {
	keys, err := newKeySet()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e := &Endpoint{URL: "http://" + l.Addr().String(), keys: keys, ended: make(chan error, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /keys", e.serveKeys)
	mux.HandleFunc("POST /hook", e.serveHook)
	e.server = &http.Server{Handler: e.broken(mux), ReadHeaderTimeout: patience}
	go func() { e.ended <- e.server.Serve(l) }()
	return e, nil
}

// Close stops the endpoint.
func (e *Endpoint) Close() {
	_ = e.server.Close()
	<-e.ended
}

// Break makes all further requests fail in the given way, or, with None, succeed again.
func (e *Endpoint) Break(f Fault) { e.fault.Store(int32(f)) }

// broken answers requests as the fault requires.
func (e *Endpoint) broken(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch Fault(e.fault.Load()) {
		case Hangs:
			_, _ = io.Copy(io.Discard, r.Body) // only then does net/http notice that the client has gone
			ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
			defer cancel()
			<-ctx.Done()
		case Fails:
			http.Error(w, "The application has failed.", http.StatusInternalServerError)
		case Talks:
			_, _ = io.WriteString(w, "<!doctype html><title>Welcome</title>")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (e *Endpoint) serveKeys(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(e.keys)
}

// serveHook answers each question with yes.
func (e *Endpoint) serveHook(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Type string
		Data struct{ Rooms []string }
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var answer any
	switch q.Type {
	case "authenticate":
		answer = map[string]any{"user": "someone"}
	case "join":
		answer = map[string]any{"rooms": q.Data.Rooms}
	default:
		answer = struct{}{}
	}
	_ = json.NewEncoder(w).Encode(answer) // fails only if the server has gone
}

// newKeySet returns a JWK set with one new key.
func newKeySet() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, err
	}
	encode := base64.RawURLEncoding.EncodeToString
	return fmt.Appendf(nil, `{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","kid":%q,"x":%q,"y":%q}]}`,
		keyID, encode(point[1:33]), encode(point[33:])), nil
}
