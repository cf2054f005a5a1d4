package wire

import (
	"slices"
	"time"
)

// Close codes of the protocol; [CloseCodes] describes what they mean for a client.
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

// CloseCode describes what a close code of the protocol means for a client.
type CloseCode struct {
	Code   uint16
	Reason string // text in the close frame
	// Reconnect reports whether it is worth reconnecting.
	Reconnect bool
	// Credentials reports whether the client needs new credentials to reconnect.
	Credentials bool
	// Rejected reports whether the server has rejected the client.
	Rejected bool
	// After is the minimum time to wait before reconnecting.
	After time.Duration
	// Hint is human-readable advice.
	Hint string
}

// closeCodes is the single definition of what the close codes mean.
var closeCodes = []CloseCode{
	{Code: CloseGoingAway, Reason: "Server shutting down", Reconnect: true, Hint: "reconnect, to another instance if there is one"},
	{Code: CloseTryAgainLater, Reason: "Try again later", Reconnect: true, After: 5 * time.Second, Hint: "the server has reached one of its limits, or cannot authenticate clients at the moment; reconnect later"},
	{Code: CloseAuthTimeout, Reason: "Authentication timeout", Reconnect: true, Rejected: true, Hint: "authentication took too long; try again later"},
	{Code: CloseHeartbeatTimeout, Reason: "Heartbeat timeout", Reconnect: true, Hint: "no heartbeat arrived in time"},
	{Code: CloseAuthFailed, Reason: "Authentication failed", Credentials: true, Rejected: true, Hint: "check the credentials: the token, its expiry and the user"},
	{Code: CloseEncryptionRequired, Reason: "Encryption required", Rejected: true, Hint: "the server requires encryption, but no key was agreed on; enable encryption in the client"},
	{Code: CloseExpired, Reason: "Session expired", Reconnect: true, Credentials: true, Hint: "reconnect with new credentials"},
	{Code: CloseDisconnected, Reason: "Disconnected by the server", Hint: "the application has closed the connection"},
	{Code: CloseTooManyMessages, Reason: "Too many messages", Reconnect: true, After: 5 * time.Second, Hint: "the client sent more messages than the server accepts; send fewer"},
	{Code: CloseTooManyConnections, Reason: "Too many connections", Reconnect: true, After: 30 * time.Second, Hint: "the user or the address has too many connections"},
}

// CloseCodes returns the close codes of the protocol, in ascending order.
func CloseCodes() []CloseCode { return slices.Clone(closeCodes) }

// LookupClose returns the description of a close code. It reports false if the protocol
// does not define the code.
func LookupClose(code uint16) (c CloseCode, ok bool) {
	i, ok := slices.BinarySearchFunc(closeCodes, code, func(c CloseCode, code uint16) int { return int(c.Code) - int(code) })
	if !ok {
		return CloseCode{}, false
	}
	return closeCodes[i], true
}

// CloseReason returns the reason text for a close code of the protocol, or "" for any
// other code.
func CloseReason(code uint16) string {
	c, _ := LookupClose(code)
	return c.Reason
}
