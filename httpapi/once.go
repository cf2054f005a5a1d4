package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

const (
	// maxIdempotencyKey is the maximum length of an idempotency key, in bytes.
	maxIdempotencyKey = 255
	// storeTimeout limits each call of the store.
	storeTimeout = 2 * time.Second
	// inProgress is the minimum of once.inProgress. It allows for clocks that differ.
	inProgress = time.Minute
	// maxRecorded is the maximum size of an answer that is stored, in bytes.
	maxRecorded = 96 << 10
)

// once executes requests with an idempotency key once.
type once struct {
	store Store
	ttl   time.Duration
	limit int // of requests with an API key within ttl

	// inProgress is the time after which the request that has claimed a key has certainly
	// ended. If its answer is still not stored then, it never will be.
	inProgress time.Duration
}

// longest returns the longest time from claiming a key until the answer is stored.
func (c *Config) longest() time.Duration { return c.CommandTimeout + 2*storeTimeout }

func newOnce(cfg Config) *once {
	o := &once{
		store: cfg.Store, ttl: cfg.IdempotencyTTL, inProgress: max(inProgress, cfg.longest()),
		limit: cfg.MaxIdempotencyKeys,
	}
	if o.store == nil {
		o.store = newMemory()
	}
	return o
}

// newWindow returns the window of an API key, so that none can use up what another needs.
func (o *once) newWindow() *window { return &window{limit: o.limit, slot: o.ttl / slots} }

// record is the value that is stored for an idempotency key. Until the request has been
// answered, Status is 0.
type record struct {
	Request string `json:"r"` // a hash of the request
	Began   int64  `json:"t"` // in milliseconds since 1970
	Status  int    `json:"s,omitempty"`
	Body    []byte `json:"b,omitempty"`

	name string // in the store
}

func (r *record) encode() []byte {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // all fields can be encoded
	}
	return text
}

// newRecord returns the record for a request. Only hashes are stored, because keys and requests
// may contain secrets.
func (c *call) newRecord() (*record, *problem) {
	values := c.r.Header["Idempotency-Key"]
	bad := len(values) != 1 || values[0] == "" || len(values[0]) > maxIdempotencyKey
	for _, b := range []byte(values[0]) {
		bad = bad || b <= ' ' || b > '~'
	}
	if bad {
		return nil, problemMalformed.problem(fmt.Sprintf("The header Idempotency-Key must have 1 to %d visible ASCII characters.", maxIdempotencyKey))
	}
	hash := func(parts ...string) string {
		sum := sha256.New()
		for _, part := range parts {
			_, _ = fmt.Fprintf(sum, "%d:%s,", len(part), part) // never returns an error
		}
		return base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:24])
	}
	return &record{
		Request: hash(c.op.id, string(c.body)), Began: time.Now().UnixMilli(),
		name: hash(c.key.id, values[0]),
	}, nil
}

// runOnce executes the operation unless the idempotency key was used before.
func (c *call) runOnce() {
	h := c.h
	r, p := c.newRecord()
	if p != nil {
		c.refuse(p)
		return
	}
	// A store of all instances is not available if the bus is not.
	if err := h.cfg.Server.Health().Bus; err != nil && h.cfg.Store == nil {
		h.counts.busFailures.Add(1)
		h.limit.Log(slog.LevelWarn, "API request refused: the bus is unavailable", "request_id", c.id, "error", err)
		c.refuse(problemBus.problem("The bus is unavailable. Nothing was done, because the request has an idempotency key. Try again with the same key.").after(time.Second))
		return
	}
	if !c.key.once.add(time.Now()) {
		h.counts.store.Add(1)
		c.refuse(problemStore.problem("Too many idempotency keys were used with this API key. Nothing was done.").after(time.Second))
		return
	}
	ctx, cancel := c.storeContext()
	defer cancel()
	existing, err := h.once.store.Claim(ctx, r.name, r.encode(), h.once.ttl)
	switch {
	case err != nil:
		h.counts.store.Add(1)
		h.limit.Log(slog.LevelWarn, "an idempotency key could not be stored", "request_id", c.id, "error", err)
		c.refuse(problemStore.problem("The idempotency key could not be stored. Nothing was done.").after(time.Second))
	case existing != nil:
		c.replay(r, existing)
	default:
		c.record = r
		defer c.releaseOnce()
		c.op.serve(c)
	}
}

// storeContext returns the context for a call of the store. It does not end when the client
// disconnects, because it would then be unknown whether the value was stored.
func (c *call) storeContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(c.r.Context()), storeTimeout)
}

// replay answers as the earlier request with the same idempotency key was answered.
func (c *call) replay(r *record, existing []byte) {
	var before record
	err := json.Unmarshal(existing, &before)
	if s := before.Status; err == nil && s != 0 && (s < 200 || s > 599) {
		err = fmt.Errorf("the status is %d", s)
	}
	if err != nil {
		c.h.limit.Log(slog.LevelError, "the store has returned a malformed idempotency record", "request_id", c.id, "error", err)
		c.refuse(problemUnknownOutcome.problem("The stored record of the idempotency key is malformed."))
		return
	}
	age := time.Duration(r.Began-before.Began) * time.Millisecond
	switch {
	case before.Request != r.Request:
		c.refuse(problemKeyReused.problem("The idempotency key was used for another operation or another body."))
	case before.Status == 0 && age < c.h.once.inProgress:
		c.refuse(problemInProgress.problem("Try again to get its answer.").after(time.Second))
	case before.Status == 0:
		c.refuse(problemUnknownOutcome.problem("The instance that executed the request has not stored its answer. It may have been executed or not. To execute it again, use another idempotency key."))
	default:
		c.replayed = true
		c.h.counts.replayed.Add(1)
		c.w.Header().Set("Idempotency-Replayed", "true")
		if before.Status >= http.StatusBadRequest {
			c.w.Header().Set("Content-Type", problemType)
		} else {
			c.w.Header()["Content-Type"] = jsonType
		}
		c.send(before.Status, before.Body)
	}
}

// finishOnce stores the answer before it is sent. If nothing was done, it releases the key, so
// that the request can be repeated.
func (c *call) finishOnce(status int, body []byte) {
	r := c.record
	c.record = nil
	ctx, cancel := c.storeContext()
	defer cancel()
	var err error
	if !c.did {
		err = c.h.once.store.Release(ctx, r.name)
	} else {
		r.Status, r.Body = status, body
		if len(body) > maxRecorded {
			r.Body = []byte("{}") // that it was executed matters more
		}
		err = c.h.once.store.Replace(ctx, r.name, r.encode(), c.h.once.ttl)
	}
	if err != nil {
		c.h.limit.Log(slog.LevelWarn, "the answer for an idempotency key could not be stored", "request_id", c.id, "error", err)
	}
}

// releaseOnce releases the key if the operation has panicked before it changed anything.
func (c *call) releaseOnce() {
	if c.record == nil || c.did {
		c.record = nil
		return
	}
	r := c.record
	c.record = nil
	ctx, cancel := c.storeContext()
	defer cancel()
	_ = c.h.once.store.Release(ctx, r.name) // otherwise the key is released after its time
}

// slots is the number of parts of a window.
const slots = 64

// window limits how often something happens within a time.
type window struct {
	limit int
	slot  time.Duration

	mu     sync.Mutex
	counts [slots]int
	total  int
	last   int64 // number of the current slot since 1970
}

// add counts an event. It reports false, and does not count it, if the limit is reached.
func (w *window) add(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	current := now.UnixNano() / int64(w.slot)
	for ; w.last < current; w.last++ {
		if current-w.last > slots {
			w.counts, w.total, w.last = [slots]int{}, 0, current-1
		}
		next := &w.counts[(w.last+1)%slots]
		w.total -= *next
		*next = 0
	}
	if w.total >= w.limit {
		return false
	}
	w.counts[current%slots]++
	w.total++
	return true
}
