package promignis

import (
	"errors"
	"maps"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/webhook"
	"github.com/ignis-go/ignis/wire"
)

// Recorder counts events that only hooks report: durations, sizes and outcomes. Its methods
// return hooks for the configuration of servers, webhooks and jobs. One Recorder can serve
// any number of each. Create it with [NewRecorder]. Its methods are safe for concurrent use.
type Recorder struct {
	upgrades     tally[string] // by outcome
	reasons      vocabulary    // of upgrades
	joins        atomic.Uint64
	auths        tally[auth]
	causes       vocabulary // of auths
	closes       tally[closing]
	lifetimes    *histogram
	callbacks    []*histogram // by ignis.Callback
	authTimes    [2]*histogram
	writes       *histogram
	writtenBytes atomic.Uint64
	requests     map[string]*histogram // of the webhook, by type
	api          api
	jobs         jobs
}

// auth are the labels of an authentication.
type auth struct {
	refresh bool
	outcome ignis.AuthOutcome
	reason  string
}

// closing are the labels of the end of a connection.
type closing struct {
	cause ignis.Cause
	code  string
}

// accepted is the outcome of a request that was upgraded.
const accepted = "accepted"

// requestTypes are the types of requests in [webhook.RequestInfo].
var requestTypes = []string{"authenticate", "join", "message", "events"}

// NewRecorder returns a Recorder.
func NewRecorder() *Recorder {
	r := &Recorder{
		lifetimes: newHistogram(1, 10, 60, 600, 3600, 86_400),
		writes:    newHistogram(1, 4, 16, 64, 256),
		requests:  make(map[string]*histogram),
	}
	for i := range 2 {
		r.authTimes[i] = newHistogram(calls...)
	}
	for range callbacks() {
		r.callbacks = append(r.callbacks, newHistogram(calls...))
	}
	for _, t := range requestTypes {
		r.requests[t] = newHistogram(calls...)
	}
	return r
}

// callbacks returns the names of all callbacks.
func callbacks() (names []string) {
	for b := ignis.Callback(0); ; b++ {
		name := b.String()
		if strings.Contains(name, "(") {
			return names
		}
		names = append(names, name)
	}
}

// Hooks returns hooks for [ignis.Config]. A server that has hooks of its own combines both
// with [ignis.CombineHooks].
func (r *Recorder) Hooks() ignis.Hooks {
	return ignis.Hooks{
		Connected: func(ignis.ConnectedInfo) { r.upgrades.add(accepted, 1) },
		Refused:   func(i ignis.RefusedInfo) { r.upgrades.add(r.reasons.value(i.Reason), 1) },
		Authenticated: func(i ignis.AuthenticatedInfo) {
			r.auths.add(auth{i.Refresh, i.Outcome, r.reason(i.Err)}, 1)
			r.authTimes[index(i.Refresh)].observe(seconds(i.Duration))
		},
		Joined: func(i ignis.JoinedInfo) {
			if i.Refused == "" { // Stats counts the others
				r.joins.Add(1)
			}
		},
		CallbackReturned: func(i ignis.CallbackReturnedInfo) {
			if int(i.Callback) < len(r.callbacks) {
				r.callbacks[i.Callback].observeTimes(seconds(i.Duration), i.Calls)
			}
		},
		Flushed: func(i ignis.FlushedInfo) {
			r.writes.observeTimes(float64(i.Messages), i.Writes)
			r.writtenBytes.Add(uint64(i.Bytes))
		},
		Closed: func(i ignis.ClosedInfo) {
			r.closes.add(closing{i.Cause, closeCode(i.Code)}, 1)
			if i.Authenticated { // others would hide how long clients stay connected
				r.lifetimes.observe(seconds(i.Duration))
			}
		},
	}
}

func index(b bool) int {
	if b {
		return 1
	}
	return 0
}

// reason returns why a client was not authenticated, or "" if that is not known. Texts of
// errors can contain anything, so only those are used that are the same for all clients; see
// [ignis.Config].Authenticate.
func (r *Recorder) reason(err error) string {
	var fixed interface{ LogCause() string }
	if err == nil || !errors.As(err, &fixed) {
		return ""
	}
	return r.causes.value(fixed.LogCause())
}

// closeCode returns a close code as a label. Clients can send any code, so only those are
// told apart that RFC 6455 and the protocol define.
func closeCode(code uint16) string {
	if _, ours := wire.LookupClose(code); ours || code >= 1000 && code <= 1013 {
		return strconv.Itoa(int(code))
	}
	return other
}

// APIRequest counts a request to the HTTP API. Call it in httpapi.Config.OnRequest with the
// fields of httpapi.RequestInfo. Messages is the number of messages that were published.
func (r *Recorder) APIRequest(operation string, status int, d time.Duration, messages int) {
	a := &r.api
	operation = a.operations.value(operation)
	a.answers.add(apiAnswer{operation, status}, 1)
	a.duration(operation).observe(seconds(d))
	a.messages.Add(uint64(messages))
}

// api counts requests to the HTTP API.
type api struct {
	operations vocabulary
	answers    tally[apiAnswer]
	messages   atomic.Uint64

	mu    sync.Mutex
	times map[string]*histogram // by operation
}

// apiAnswer are the labels of an answer.
type apiAnswer struct {
	operation string
	status    int
}

func (a *api) duration(operation string) *histogram {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := a.times[operation]
	if h == nil {
		h = newHistogram(calls...)
		if a.times == nil {
			a.times = make(map[string]*histogram)
		}
		a.times[operation] = h
	}
	return h
}

// durations returns the histograms by operation.
func (a *api) durations() map[string]*histogram {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.times)
}

// WebhookRequested is a hook for [webhook.Config].Requested.
func (r *Recorder) WebhookRequested(i webhook.RequestInfo) {
	if h := r.requests[i.Type]; h != nil {
		h.observe(seconds(i.Duration))
	}
}
