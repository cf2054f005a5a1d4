package ignis

import (
	"github.com/ignis-go/ignis/internal/ws"
	"github.com/ignis-go/ignis/wire"
)

// Cause is the reason why a client was disconnected. The texts are stable. They are also
// the keys of Stats.Disconnects.
type Cause string

// The causes, with the field of Config or the method that causes them, and the close code
// if the protocol defines one.
const (
	CauseClientClosed       Cause = "client closed"
	CauseConnectionLost     Cause = "connection lost"
	CauseViolation          Cause = "protocol violation"             // of the WebSocket protocol
	CauseBackpressure       Cause = "backpressure"                   // SlowDisconnect
	CauseIdle               Cause = "idle timeout"                   // IdleTimeout
	CauseStuck              Cause = "write timeout"                  // WriteTimeout
	CauseBehind             Cause = "callbacks behind"               // BehindTimeout, 4007
	CauseSealing            Cause = "sealing timeout"                // SealTimeout
	CauseStranger           Cause = "too much before authentication" // 4007
	CauseApplication        Cause = "closed by the application"      // Server.Disconnect
	CauseShutdown           Cause = "server shutdown"                // 1001
	CauseTryAgain           Cause = "try again later"                // AuthQueue, or Authenticate cannot decide; 1013
	CauseAuthTimeout        Cause = "authentication timeout"         // 4001
	CauseHeartbeat          Cause = "heartbeat timeout"              // 4002
	CauseAuthFailed         Cause = "authentication failed"          // 4003
	CauseEncryptionRequired Cause = "encryption required"            // 4004
	CauseExpired            Cause = "session expired"                // 4005
	CauseRevoked            Cause = "access revoked"                 // Server.Revoke, 4006
	CauseConnections        Cause = "too many connections"           // MaxClientsPerUser, AuthFailureRate, 4008
	CauseRate               Cause = "too many messages"              // MessageRate, ByteRate, 4007
	CauseMemory             Cause = "out of memory"                  // MemoryLimit
	CauseAge                Cause = "connection age"                 // MaxConnectionAge, 1001
	CauseAborted            Cause = "aborted"                        // the shutdown took too long
)

// transportCauses maps the causes that the transport reports.
var transportCauses = [...]Cause{
	ws.CausePeerClosed:   CauseClientClosed,
	ws.CauseLost:         CauseConnectionLost,
	ws.CauseViolation:    CauseViolation,
	ws.CauseBackpressure: CauseBackpressure,
	ws.CauseIdle:         CauseIdle,
	ws.CauseStuck:        CauseStuck,
	ws.CauseBehind:       CauseBehind,
	ws.CauseSealing:      CauseSealing,
	ws.CauseStranger:     CauseStranger,
	ws.CauseRate:         CauseRate,
	ws.CauseMemory:       CauseMemory,
	ws.CauseServerClosed: CauseApplication,
	ws.CauseAge:          CauseAge,
	ws.CauseAborted:      CauseAborted,
}

// ruleCauses maps the close codes of connections that were closed by a rule of the
// protocol.
var ruleCauses = map[uint16]Cause{
	wire.CloseGoingAway:          CauseShutdown,
	wire.CloseTryAgainLater:      CauseTryAgain,
	wire.CloseAuthTimeout:        CauseAuthTimeout,
	wire.CloseHeartbeatTimeout:   CauseHeartbeat,
	wire.CloseAuthFailed:         CauseAuthFailed,
	wire.CloseEncryptionRequired: CauseEncryptionRequired,
	wire.CloseExpired:            CauseExpired,
	wire.CloseTooManyConnections: CauseConnections,
	wire.CloseDisconnected:       CauseRevoked,
}

// causeOf returns the reason why a connection has ended.
func causeOf(end ws.End) Cause {
	if end.Cause == ws.CauseRule {
		if cause, ok := ruleCauses[end.Code]; ok {
			return cause
		}
	} else if int(end.Cause) < len(transportCauses) && transportCauses[end.Cause] != "" {
		return transportCauses[end.Cause]
	}
	return CauseApplication
}
