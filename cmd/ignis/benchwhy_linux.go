package main

import (
	"fmt"
	"net/http"

	"github.com/ignis-go/ignis/internal/herd"
	"github.com/ignis-go/ignis/wire"
)

// connectHint returns the hint for the reason why clients could not connect.
func connectHint(why herd.Reason, encrypt bool) string {
	switch {
	case why.Plain:
		return "start the server with --encryption optional or required, or leave out --encrypt"
	case why.Status == http.StatusSwitchingProtocols:
		return "a cache or a proxy may have answered instead of the server; connect to the server directly"
	case why.Status != 0:
		return refusalHint(why.Status, why.Location)
	case why.Code != 0:
		return lossHint(why, encrypt)
	}
	return "is an Ignis server running there, and is the path correct, as in ws://127.0.0.1:8080/ws?"
}

// tooLargeCode is the close code for a message that is too large.
const tooLargeCode = 1009

// lossHint returns the hint for the reason why the server closed clients.
func lossHint(why herd.Reason, encrypt bool) string {
	switch why.Code {
	case wire.CloseAuthFailed:
		return "authentication failed: " + hintToken
	case wire.CloseAuthTimeout, wire.CloseEncryptionRequired:
		return closeHint(why.Code, encrypt)
	case 0: // there was no close frame
		return "see the log and the statistics of the server; its --backpressure-limit may be too small or, if clients send, its --max-payload"
	case wire.CloseGoingAway:
		return "the server was shut down"
	case wire.CloseHeartbeatTimeout:
		return fmt.Sprintf("each client sends a heartbeat every %v; check that the server's --heartbeat-timeout is longer, and that this process is not too busy", heartbeat)
	case wire.CloseTooManyMessages:
		return "the server could not handle the clients' messages within its --behind-timeout; send fewer messages"
	case tooLargeCode:
		return "the server's --max-payload is too small for --size, or its --auth-max-payload for the token"
	}
	if known, ok := wire.LookupClose(why.Code); ok {
		return known.Hint
	}
	return "the close code is not one of the protocol, so it comes from the application on the server or from a proxy; see their logs"
}
