package ignis

import (
	"errors"
	"time"
)

// Hooks are functions that a server calls when something happens, for metrics and traces.
// A nil function costs nothing. The functions are called from the goroutine that does the
// work, which often serves many clients, so they must return immediately. They may be
// called concurrently. A panic is logged and counted.
type Hooks struct {
	// Connected is called when a connection has been upgraded.
	Connected func(ConnectedInfo)
	// Refused is called when a request for a connection has been refused.
	Refused func(RefusedInfo)
	// Authenticated is called when a client has been authenticated or rejected, and when
	// its session has been refreshed or the refresh has failed.
	Authenticated func(AuthenticatedInfo)
	// Joined is called for each room that a client has joined or was refused.
	Joined func(JoinedInfo)
	// Left is called for each room that a client has left other than by disconnecting.
	Left func(LeftInfo)
	// MessageHandled is called when OnMessage has returned.
	MessageHandled func(MessageHandledInfo)
	// CallbackReturned is called when one of the functions listed at [Callback] has
	// returned, and unless it is Accept, when it has panicked. If clients send many messages,
	// it is called only for about one in 64 calls of OnMessage.
	CallbackReturned func(CallbackReturnedInfo)
	// Sent is called when messages have been queued for the clients of this instance.
	// Messages that arrive from the bus together and have the same address are reported
	// together.
	Sent func(SentInfo)
	// Flushed is called when messages have been written to the sockets of clients.
	Flushed func(FlushedInfo)
	// Dropped is called when messages to a client have been dropped.
	Dropped func(DroppedInfo)
	// Closed is called when a connection has ended.
	Closed func(ClosedInfo)
	// Published is called when an envelope has been passed to the bus, even if the bus
	// returned an error.
	Published func(PublishedInfo)
	// Received is called when envelopes have arrived from the bus.
	Received func(ReceivedInfo)
	// Revoked is called when this server has learned of revocations and has closed the
	// clients that they concern.
	Revoked func(RevokedInfo)
	// BusGap is called after a period in which envelopes may have been missed.
	BusGap func(BusGap)
}

// ConnectedInfo describes a connection that was upgraded.
type ConnectedInfo struct{ ClientID, RemoteAddr string }

// RefusedInfo describes a request that was refused.
type RefusedInfo struct {
	RemoteAddr string
	Status     int    // 0 if no answer could be sent
	Reason     string // one of a few fixed texts
}

// AuthenticatedInfo describes the result of an authentication or a refresh.
type AuthenticatedInfo struct {
	ClientID, UserID string
	Refresh          bool // whether the client was already authenticated
	Outcome          AuthOutcome
	Err              error // why it was not accepted; nil if it was
	Duration         time.Duration
}

// AuthOutcome is the result of an authentication or a refresh. The texts are stable.
type AuthOutcome string

// The outcomes.
const (
	AuthAccepted    AuthOutcome = "accepted"
	AuthRejected    AuthOutcome = "rejected"    // the credentials are not valid
	AuthRevoked     AuthOutcome = "revoked"     // the access has been revoked
	AuthLimited     AuthOutcome = "limited"     // a limit: AuthConcurrency, AuthFailureBurst or MaxClientsPerUser
	AuthUnavailable AuthOutcome = "unavailable" // Authenticate could not decide; see ErrUnauthenticated
	AuthFailed      AuthOutcome = "failed"      // a callback failed, or no keys were agreed on
	AuthAbandoned   AuthOutcome = "abandoned"   // the client disconnected or exceeded its time limit
)

// authOutcome returns the outcome of an authentication that ended with err.
func authOutcome(err error) AuthOutcome {
	switch {
	case err == nil:
		return AuthAccepted
	case errors.Is(err, errRevoked):
		return AuthRevoked
	case errors.Is(err, errBusy), errors.Is(err, errFailing), errors.Is(err, errUserFull):
		return AuthLimited
	case errors.Is(err, ErrUnauthenticated):
		return AuthRejected
	case errors.Is(err, errTooLate):
		return AuthAbandoned
	case undecided(err):
		return AuthUnavailable
	}
	return AuthFailed
}

// JoinedInfo describes a room that a client has joined or was refused.
type JoinedInfo struct {
	ClientID, Room string
	Refused        string // why it was refused, a key of Stats.RefusedJoins; empty if it has joined
}

// LeftInfo describes a room that a client has left.
type LeftInfo struct {
	ClientID, Room string
	Cause          LeaveCause
}

// MessageHandledInfo describes a call of OnMessage.
type MessageHandledInfo struct {
	Client   *Client
	Event    string // chosen by the client, so do not use it as a metric label
	Err      error
	Duration time.Duration
}

// CallbackReturnedInfo describes a call of a function of Config.
type CallbackReturnedInfo struct {
	Callback Callback
	ClientID string // empty for Accept and OnBusGap
	Calls    int    // the number of calls that it stands for: 1, or more for OnMessage
	Err      error  // what it returned, or the description of its panic
	Duration time.Duration
}

// SentInfo describes messages that were queued for clients.
type SentInfo struct {
	To         Address
	Messages   int
	Recipients int // clients of this instance
	FromBus    bool
}

// FlushedInfo describes writes to sockets, one after the other, by the same goroutine.
type FlushedInfo struct {
	Writes   int // number of writes, usually to as many clients
	Messages int // number of messages that each of them began to write
	Bytes    int // number of bytes that all of them wrote
}

// DroppedInfo describes messages to a client that were dropped.
type DroppedInfo struct {
	ClientID string
	Messages int
	Reason   string // a key of Stats.Dropped
}

// ClosedInfo describes a connection that has ended.
type ClosedInfo struct {
	ClientID, UserID string // UserID is empty for anonymous and unauthenticated clients
	Cause            Cause
	Code             uint16
	Duration         time.Duration // since the upgrade
	Authenticated    bool          // whether the client was authenticated before
}

// PublishedInfo describes an envelope that was passed to the bus.
type PublishedInfo struct {
	To    Address
	Bytes int
	Err   error // why the bus refused it; nil if it did not
}

// ReceivedInfo describes envelopes that arrived from the bus together.
type ReceivedInfo struct{ Envelopes, Bytes int }

// RevokedInfo describes revocations that were made together.
type RevokedInfo struct {
	Revocations int
	Clients     int // of this instance
	FromBus     bool
}

// CombineHooks returns hooks that call those of each argument, in order. A panic in one of
// them skips the following ones.
func CombineHooks(all ...Hooks) Hooks {
	var h Hooks
	for _, next := range all {
		h = Hooks{
			Connected:        both(h.Connected, next.Connected),
			Refused:          both(h.Refused, next.Refused),
			Authenticated:    both(h.Authenticated, next.Authenticated),
			Joined:           both(h.Joined, next.Joined),
			Left:             both(h.Left, next.Left),
			MessageHandled:   both(h.MessageHandled, next.MessageHandled),
			CallbackReturned: both(h.CallbackReturned, next.CallbackReturned),
			Sent:             both(h.Sent, next.Sent),
			Flushed:          both(h.Flushed, next.Flushed),
			Dropped:          both(h.Dropped, next.Dropped),
			Closed:           both(h.Closed, next.Closed),
			Published:        both(h.Published, next.Published),
			Received:         both(h.Received, next.Received),
			BusGap:           both(h.BusGap, next.BusGap),
			Revoked:          both(h.Revoked, next.Revoked),
		}
	}
	return h
}

// both returns a function that calls f and then g. Either may be nil.
func both[T any](f, g func(T)) func(T) {
	switch {
	case f == nil:
		return g
	case g == nil:
		return f
	}
	return func(info T) {
		f(info)
		g(info)
	}
}

// hook calls the hook f unless it is nil. It is called for every message and every write,
// so it does less than Server.call.
func hook[T any](s *Server, name string, f func(T), info T) {
	if f == nil {
		return
	}
	returned := false
	defer func() {
		if !returned {
			_ = s.failed("Hooks."+name, nil, recover())
		}
	}()
	f(info)
	returned = true
}
