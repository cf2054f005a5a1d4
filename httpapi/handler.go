package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ignis-go/ignis/internal/loglimit"
	"github.com/ignis-go/ignis/wire"
)

// Handler serves the API, below Config.Prefix. Create it with [New].
type Handler struct {
	cfg      Config
	keys     atomic.Pointer[map[string]*key] // by ID; never changed, only replaced
	failures failures
	once     *once
	counts   counters
	limit    *loglimit.Limiter // for log lines that clients can cause; never opened

	routes  map[string]map[string]*operation // by path and method
	pattern []string                         // paths that end in a parameter, without it

	idPrefix string        // of the IDs of requests that have none
	idNext   atomic.Uint64 // the rest of the next one
	serving  atomic.Int64  // requests that are being served
	reading  atomic.Int64  // requests whose bodies are being read
	buffered atomic.Int64  // bytes that the bodies in memory have, or will have
}

// Stats contains the counters of a [Handler] since New.
type Stats struct {
	Requests        uint64 // requests for an operation
	Messages        uint64 // messages published, once for each target
	Unauthorized    uint64 // of Requests: with a missing or wrong key
	TooManyFailures uint64 // of Requests: refused because of Config.MaxFailures
	Forbidden       uint64 // of Requests: not allowed with their key
	RateLimited     uint64 // of Requests: refused because of Key.Rate
	Overloaded      uint64 // of Requests: refused because of Config.MaxConcurrent or MaxBuffered
	Invalid         uint64 // of Requests: malformed, invalid or too large
	BusFailures     uint64 // of Requests: not, or not completely, passed to other instances
	Replayed        uint64 // of Requests: answered from an earlier request with the same idempotency key
	StoreFailures   uint64 // of Requests: refused because their idempotency key could not be stored
	Serving         int    // requests that are being served
}

type counters struct {
	requests, messages, unauthorized, tooManyFailures, forbidden   atomic.Uint64
	rateLimited, overloaded, invalid, busFailures, replayed, store atomic.Uint64
}

// New returns a handler, or an error if cfg is invalid.
func New(cfg Config) (*Handler, error) {
	cfg, keys, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	h := &Handler{
		cfg: cfg, limit: loglimit.New(cfg.Logger),
		routes:   make(map[string]map[string]*operation),
		idPrefix: strconv.FormatUint(rand.Uint64()|1<<63, 36) + "-",
	}
	h.failures.limit = cfg.MaxFailures
	h.once = newOnce(cfg)
	h.use(keys)
	h.register()
	return h, nil
}

// Stats returns the counters.
func (h *Handler) Stats() Stats {
	n := &h.counts
	return Stats{
		Requests: n.requests.Load(), Messages: n.messages.Load(), Unauthorized: n.unauthorized.Load(),
		TooManyFailures: n.tooManyFailures.Load(), Forbidden: n.forbidden.Load(), RateLimited: n.rateLimited.Load(),
		Overloaded: n.overloaded.Load(), Invalid: n.invalid.Load(), BusFailures: n.busFailures.Load(),
		Replayed: n.replayed.Load(), StoreFailures: n.store.Load(), Serving: int(h.serving.Load()),
	}
}

// operation is something that the API does.
type operation struct {
	id     string
	scope  Scope // empty: no key is needed
	effect bool  // whether it changes something, so that it has a body and idempotency keys apply
	body   int   // maximum size of the body in bytes
	serve  func(c *call)
}

// handle makes h serve an operation. A path may end in a parameter, such as /clients/{id}.
func (h *Handler) handle(method, path string, op *operation) {
	if before, _, ok := strings.Cut(path, "{"); ok && h.routes[path] == nil {
		h.pattern = append(h.pattern, before)
	}
	if h.routes[path] == nil {
		h.routes[path] = make(map[string]*operation)
	}
	h.routes[path][method] = op
}

// route returns the operations at a path, by method.
func (h *Handler) route(r *http.Request) map[string]*operation {
	path, ok := strings.CutPrefix(r.URL.Path, h.cfg.Prefix)
	if !ok {
		return nil
	}
	if methods := h.routes[path]; methods != nil {
		return methods
	}
	for _, before := range h.pattern {
		rest, ok := strings.CutPrefix(path, before)
		if ok && rest != "" && !strings.Contains(rest, "/") {
			r.SetPathValue("id", rest)
			return h.routes[before+"{id}"]
		}
	}
	return nil
}

// ServeHTTP serves the API.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{h: h, w: w, r: r, began: time.Now(), id: h.requestID(r)}
	w.Header()["X-Request-Id"] = []string{c.id}
	methods := h.route(r)
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	c.op = methods[method]
	switch {
	case methods == nil:
		c.refuse(problemNotFound.problem("The API has no such path; see /openapi.json."))
		return
	case c.op == nil:
		allowed := make([]string, 0, len(methods))
		for m := range methods {
			allowed = append(allowed, m)
		}
		slices.Sort(allowed)
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		c.refuse(problemMethod.problem("Use " + strings.Join(allowed, " or ") + "."))
		return
	}
	if c.op.scope == "" {
		c.op.serve(c)
		return
	}
	h.counts.requests.Add(1)
	defer c.end()
	if p := c.admit(); p != nil {
		c.refuse(p)
		return
	}
	if h.cfg.Tracer != nil {
		c.trace()
	}
	c.run()
}

// trace makes the request a part of the trace that its header identifies.
func (c *call) trace() {
	values := c.r.Header["Traceparent"]
	if len(values) != 1 || !wire.ValidTraceparent(values[0]) {
		return
	}
	c.r = c.r.WithContext(c.h.cfg.Tracer.Extract(c.r.Context(), values[0]))
}

// call is a request.
type call struct {
	h     *Handler
	w     http.ResponseWriter
	r     *http.Request
	op    *operation
	began time.Time
	id    string
	key   *key // nil until the request is authorized
	body  []byte

	buffer  *bytes.Buffer // the memory of body
	limited io.LimitedReader

	record   *record // of the idempotency key; nil if the request has none
	did      bool    // something was changed, so the request must not be executed again
	messages int
	replayed bool
	status   int // of the answer; 0: not answered yet
}

// admit checks the key and the limits, before the body is read.
func (c *call) admit() *problem {
	h := c.h
	if p := c.authorize(); p != nil {
		return p
	}
	if !c.key.scopes[c.op.scope] {
		h.counts.forbidden.Add(1)
		return problemForbidden.problem("The key does not have the scope " + string(c.op.scope) + ".")
	}
	if wait, ok := c.key.bucket.take(); !ok {
		h.counts.rateLimited.Add(1)
		h.limit.Log(slog.LevelWarn, "API request refused: too many requests with a key", "key", c.key.id)
		return problemRate.problem("The key has reached its rate limit.").after(wait)
	}
	return nil
}

// authorize checks the key of the request.
func (c *call) authorize() *problem {
	h := c.h
	token, id, err := bearer(c.r)
	if errors.Is(err, errNoKey) {
		h.counts.unauthorized.Add(1)
		return problemUnauthorized.problem("Send the key in the header Authorization: Bearer KEY.")
	}
	k := (*h.keys.Load())[id]
	known := ""
	if k != nil {
		known = id
	}
	if !h.failures.quick() {
		if h.failures.blocked(newAttempt(h.cfg.RemoteAddr(c.r), known)) {
			h.counts.tooManyFailures.Add(1)
			return problemFailures.problem("There were too many requests with a wrong key from this address.").after(failureWindow)
		}
	}
	if err == nil && k.has(token) {
		c.key = k
		return nil
	}
	from := h.cfg.RemoteAddr(c.r)
	h.failures.add(newAttempt(from, known))
	h.counts.unauthorized.Add(1)
	h.limit.Log(slog.LevelWarn, "API request refused: wrong key", "remote", from, "key", known, "request_id", c.id)
	return problemUnauthorized.problem("The key is malformed, unknown or wrong.")
}

// run reads the body and executes the operation.
func (c *call) run() {
	h := c.h
	if c.op.effect {
		size := c.bodySize()
		defer h.buffered.Add(-size)
		if h.buffered.Add(size) > int64(h.cfg.MaxBuffered) {
			c.overloaded("MaxBuffered", h.cfg.MaxBuffered)
			return
		}
		if h.reading.Add(1) > readingFactor*int64(h.cfg.MaxConcurrent) {
			h.reading.Add(-1)
			c.overloaded("MaxConcurrent", h.cfg.MaxConcurrent)
			return
		}
		p := c.readBody()
		h.reading.Add(-1)
		if p != nil {
			c.refuse(p)
			return
		}
		defer c.freeBody()
	}
	defer h.serving.Add(-1)
	if h.serving.Add(1) > int64(h.cfg.MaxConcurrent) {
		c.overloaded("MaxConcurrent", h.cfg.MaxConcurrent)
		return
	}
	defer c.recover()
	if c.op.effect {
		// The bus must not stop between claiming an idempotency key and storing the answer.
		release, err := h.cfg.Server.Hold()
		if err != nil {
			c.refuse(c.serverProblem(err))
			return
		}
		defer release()
	}
	if c.op.effect && len(c.r.Header["Idempotency-Key"]) > 0 {
		c.runOnce()
		return
	}
	c.op.serve(c)
}

// readingFactor times Config.MaxConcurrent is the maximum number of requests whose bodies are
// being read. They do not count as served, so that slow clients do not keep others out.
const readingFactor = 4

// overloaded refuses a request because of the named limit of Config.
func (c *call) overloaded(name string, limit int) {
	h := c.h
	h.counts.overloaded.Add(1)
	h.limit.Log(slog.LevelWarn, "API request refused: the limit Config."+name+" is reached", "limit", limit)
	c.refuse(problemOverloaded.problem("The server serves too many requests of the API.").after(time.Second))
}

// recover answers with 500 if the operation has panicked.
func (c *call) recover() {
	reason := recover()
	if reason == nil {
		return
	}
	if err, ok := reason.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(reason)
	}
	c.h.limit.Log(slog.LevelError, "API operation panicked", "operation", c.op.id, "request_id", c.id, "panic", reason, "stack", string(debug.Stack()))
	if c.status != 0 {
		panic(http.ErrAbortHandler) // a part of the answer may have been sent
	}
	c.refuse(problemInternal.problem("The log of the server says more."))
}

var jsonType = []string{"application/json"}

// answer sends an answer with a JSON body.
func (c *call) answer(status int, body []byte) {
	c.w.Header()["Content-Type"] = jsonType
	c.send(status, body)
}

// refuse answers with a problem.
func (c *call) refuse(p *problem) {
	p.RequestID = c.id
	for name, values := range p.GetHeaders() {
		c.w.Header()[name] = values
	}
	c.w.Header().Set("Content-Type", problemType)
	switch p.Status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		c.h.counts.invalid.Add(1)
	}
	c.send(p.Status, p.encode())
}

// send sends an answer, after recording it for the idempotency key.
func (c *call) send(status int, body []byte) {
	if c.record != nil {
		c.finishOnce(status, body)
	}
	if c.buffer == nil && c.r.ContentLength != 0 {
		c.expectBody() // nothing of it was read
	}
	c.status = status
	if len(body) > 1024 { // package net/http sets it for short bodies
		c.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body) // the client may be gone
}

// end logs and counts a request that was answered.
func (c *call) end() {
	h := c.h
	d := time.Since(c.began)
	keyID := ""
	if c.key != nil {
		keyID = c.key.id
	}
	if c.messages > 0 {
		h.counts.messages.Add(uint64(c.messages))
	}
	if f := h.cfg.OnRequest; f != nil {
		f(RequestInfo{c.op.id, keyID, c.status, d, c.messages, c.replayed})
	}
	level := slog.LevelDebug
	if c.op.scope == ScopeManage && c.key != nil {
		level = slog.LevelInfo // who has disconnected whom
	}
	ctx := context.Background() // handlers require a context
	if !h.cfg.Logger.Enabled(ctx, level) {
		return
	}
	h.cfg.Logger.Log(ctx, level, "API request", "request_id", c.id, "operation", c.op.id, "key", keyID, "status", c.status, "duration", d)
}

// maxRequestID is the maximum length of a request's ID, in bytes.
const maxRequestID = 128

// requestID returns the ID that the client has sent, or a new one.
func (h *Handler) requestID(r *http.Request) string {
	if v := r.Header["X-Request-Id"]; len(v) == 1 && isRequestID(v[0]) {
		return v[0]
	}
	return h.idPrefix + strconv.FormatUint(h.idNext.Add(1), 36)
}

func isRequestID(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	for _, c := range []byte(id) {
		ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.:/+=", c) >= 0
		if !ok {
			return false
		}
	}
	return true
}
