package wire

import (
	"slices"
	"time"
)

// Close codes of the protocol; [CloseCodes] says what each means for a client.
const (
	CloseGoingAway          uint16 = 1001
	CloseTryAgainLater      uint16 = 1013
	CloseAuthTimeout        uint16 = 4001
	CloseHeartbeatTimeout   uint16 = 4002
	CloseAuthFailed         uint16 = 4003
	CloseEncryptionRequired uint16 = 4004
	CloseExpired            uint16 = 4005
	CloseDisconnected       uint16 = 4006
	CloseTooManyMessages    uint16 = 4007
	CloseTooManyConnections uint16 = 4008
)

// CloseCode says what a close code of the protocol means for a client.
type CloseCode struct {
	Code   uint16
	Reason string // the text of the close frame
	// Reconnect reports whether connecting again may help.
	Reconnect bool
	// Credentials reports whether a client needs new credentials to connect again.
	Credentials bool
	// Rejected reports whether the server does not accept this client.
	Rejected bool
	// After is how long a client waits at least before it connects again.
	After time.Duration
	// Hint says what to do about it.
	Hint string
}

// closeCodes is the only place that says what the protocol's close codes mean.
var closeCodes = []CloseCode{
	{Code: CloseGoingAway, Reason: "Server shutting down", Reconnect: true, Hint: "connect again, to another instance if there is one"},
	{Code: CloseTryAgainLater, Reason: "Try again later", Reconnect: true, After: 5 * time.Second, Hint: "the server is at a limit of its own; connect again later"},
	{Code: CloseAuthTimeout, Reason: "Authentication timeout", Reconnect: true, Rejected: true, Hint: "the server's authenticator took too long; try again later"},
	{Code: CloseHeartbeatTimeout, Reason: "Heartbeat timeout", Reconnect: true, Hint: "no heartbeat arrived in time"},
	{Code: CloseAuthFailed, Reason: "Authentication failed", Credentials: true, Rejected: true, Hint: "check the credentials: token, its expiry, and the user"},
	{Code: CloseEncryptionRequired, Reason: "Encryption required", Rejected: true, Hint: "the server talks to encrypted clients only, and agreed on no key with this one"},
	{Code: CloseExpired, Reason: "Session expired", Reconnect: true, Credentials: true, Hint: "connect again with new credentials"},
	{Code: CloseDisconnected, Reason: "Disconnected by the server", Hint: "the application does not want this client"},
	{Code: CloseTooManyMessages, Reason: "Too many messages", Reconnect: true, After: 5 * time.Second, Hint: "the client sent more than the server takes; slow down"},
	{Code: CloseTooManyConnections, Reason: "Too many connections", Reconnect: true, After: 30 * time.Second, Hint: "the user or the address has as many connections as it may"},
}

// CloseCodes returns the close codes of the protocol, in ascending order.
func CloseCodes() []CloseCode { return slices.Clone(closeCodes) }

// LookupClose returns what a close code means, if it is one of the protocol's.
func LookupClose(code uint16) (c CloseCode, ok bool) {
	i, ok := slices.BinarySearchFunc(closeCodes, code, func(c CloseCode, code uint16) int { return int(c.Code) - int(code) })
	if !ok {
		return CloseCode{}, false
	}
	return closeCodes[i], true
}

// CloseReason returns the reason text that goes with one of the protocol's close
// codes, or "" for any other code.
func CloseReason(code uint16) string {
	c, _ := LookupClose(code)
	return c.Reason
}
