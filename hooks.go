package ignis

import "time"

// Hooks are functions that a server calls when something happens, for metrics and
// traces. Fields that are nil cost nothing. The others are called by the goroutine that
// does the work, often one that many clients share: they must return at once. They may
// be called concurrently. A panic is logged and counted.
type Hooks struct {
	// Connected is called when a connection was upgraded.
	Connected func(ConnectedInfo)
	// Refused is called when a request for a connection was refused.
	Refused func(RefusedInfo)
	// Authenticated is called when Authenticate has decided on a client, or on new
	// credentials of one.
	Authenticated func(AuthenticatedInfo)
	// Joined is called for each room that a client has joined or may not join.
	Joined func(JoinedInfo)
	// Left is called for each room that a client has left, except by disconnecting.
	Left func(LeftInfo)
	// Handled is called when OnMessage has returned.
	Handled func(HandledInfo)
	// Sent is called for messages that were queued for the clients of this instance, in
	// one call for those that have arrived from the bus together for the same address.
	Sent func(SentInfo)
	// Flushed is called when messages to a client were written to its socket.
	Flushed func(FlushedInfo)
	// Dropped is called when a client will not get messages.
	Dropped func(DroppedInfo)
	// Closed is called when a connection has ended.
	Closed func(ClosedInfo)
	// Published is called when an envelope was handed to the bus, or was refused.
	Published func(PublishedInfo)
	// Received is called for envelopes from the bus.
	Received func(ReceivedInfo)
	// BusGap is called when envelopes may have been missed.
	BusGap func(BusGap)
}

// ConnectedInfo describes a connection that was upgraded.
type ConnectedInfo struct{ ClientID, RemoteAddr string }

// RefusedInfo describes a request that was refused.
type RefusedInfo struct {
	RemoteAddr string
	Status     int    // 0 if nothing could be answered
	Reason     string // one of a few texts, which hold nothing that the client sent
}

// AuthenticatedInfo describes a decision on a client.
type AuthenticatedInfo struct {
	ClientID, UserID string
	Refresh          bool  // the client was authenticated before
	Err              error // why it was not let in; nil if it was
	Duration         time.Duration
}

// JoinedInfo describes a room that a client has joined or may not join.
type JoinedInfo struct {
	ClientID, Room string
	Refused        string // the reason, a key of Stats.RefusedJoins; empty if it has joined
}

// LeftInfo describes a room that a client has left.
type LeftInfo struct {
	ClientID, Room string
	Cause          LeaveCause
}

// HandledInfo describes a call of OnMessage.
type HandledInfo struct {
	Client   *Client
	Event    string // chosen by the client: not for labels
	Err      error
	Duration time.Duration
}

// SentInfo describes messages that were queued for clients.
type SentInfo struct {
	To         Address
	Messages   int
	Recipients int // clients of this instance
	FromBus    bool
}

// FlushedInfo describes a write to a socket.
type FlushedInfo struct{ Messages, Bytes int }

// DroppedInfo describes messages that a client will not get.
type DroppedInfo struct {
	ClientID string
	Messages int
	Reason   string // a key of Stats.Dropped
}

// ClosedInfo describes a connection that has ended.
type ClosedInfo struct {
	ClientID, UserID string // UserID is empty if the client was not authenticated
	Cause            Cause
	Code             uint16
	Duration         time.Duration // since it was upgraded
}

// PublishedInfo describes an envelope that was handed to the bus.
type PublishedInfo struct {
	To    Address
	Bytes int
	Err   error // why the bus did not take it
}

// ReceivedInfo describes envelopes that have arrived from the bus together.
type ReceivedInfo struct{ Envelopes, Bytes int }

// hook calls a hook with what it is told.
func hook[T any](s *Server, name string, f func(T), info T) {
	if f == nil {
		return
	}
	// Its error is a panic, which call has counted and logged.
	_ = s.call("Hooks."+name, nil, func() error { f(info); return nil })
}
