package main

import (
	"fmt"
	"net/http"

	"github.com/ignis-go/ignis/internal/herd"
	"github.com/ignis-go/ignis/wire"
)

// connectHint says what to do when clients could not connect for a reason.
func connectHint(why herd.Reason, encrypt bool) string {
	switch {
	case why.Plain:
		return "start the server with --encryption optional, or required; or leave out --encrypt"
	case why.Status == http.StatusSwitchingProtocols:
		return "what answers there does not speak WebSocket: is it a cache, or a proxy that answers for the server? measure the server itself"
	case why.Status != 0:
		return refusalHint(why.Status, why.Location)
	case why.Code != 0:
		return lossHint(why, encrypt)
	}
	return "is an Ignis server running there, and the path right, as in ws://127.0.0.1:8080/ws?"
}

// tooLargeCode closes a client that has sent more than the server takes.
const tooLargeCode = 1009

// lossHint says what to do when the server has closed clients for a reason.
func lossHint(why herd.Reason, encrypt bool) string {
	switch why.Code {
	case wire.CloseAuthFailed:
		return "authentication failed: " + hintToken
	case wire.CloseAuthTimeout, wire.CloseEncryptionRequired:
		return closeHint(why.Code, encrypt)
	case 0: // cut off, without a word
		return "its log and its statistics say more; it may be --backpressure-limit, or --max-payload where clients send"
	case wire.CloseGoingAway:
		return "somebody has stopped the server"
	case wire.CloseHeartbeatTimeout:
		return fmt.Sprintf("each client sends a heartbeat every %v: is --heartbeat-timeout of the server shorter, or this process too busy?", heartbeat)
	case wire.CloseTooManyMessages:
		return "the server was behind with what clients send for longer than its --behind-timeout: send less"
	case tooLargeCode:
		return "--max-payload of the server is too small for --size, or its --auth-max-payload for the token"
	}
	if known, ok := wire.LookupClose(why.Code); ok {
		return known.Hint
	}
	return "the code is none of the protocol's, so it comes from the application on the server, or from a proxy; its log may say more"
}
