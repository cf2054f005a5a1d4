package ignis

import (
	"github.com/ignis-go/ignis/internal/ws"
	"github.com/ignis-go/ignis/wire"
)

// Cause says why a client went. The texts do not change: they are also the keys of
// Stats.Disconnects.
type Cause string

// The causes, and the close codes that go with those of the protocol.
const (
	CauseClientClosed       Cause = "client closed"
	CauseConnectionLost     Cause = "connection lost"
	CauseViolation          Cause = "protocol violation"             // of WebSocket
	CauseBackpressure       Cause = "backpressure"                   // SlowDisconnect
	CauseIdle               Cause = "idle timeout"                   // IdleTimeout
	CauseStuck              Cause = "write timeout"                  // WriteTimeout
	CauseBehind             Cause = "callbacks behind"               // BehindTimeout, 4007
	CauseSealing            Cause = "sealing timeout"                // SealTimeout
	CauseStranger           Cause = "too much before authentication" // 4007
	CauseApplication        Cause = "server closed"                  // Server.Disconnect
	CauseShutdown           Cause = "server shutdown"                // 1001
	CauseAuthTimeout        Cause = "authentication timeout"         // 4001
	CauseHeartbeat          Cause = "heartbeat timeout"              // 4002
	CauseAuthFailed         Cause = "authentication failed"          // 4003
	CauseEncryptionRequired Cause = "encryption required"            // 4004
	CauseExpired            Cause = "session expired"                // 4005
	CauseAborted            Cause = "aborted"                        // a shutdown that took too long
)

// transportCauses are the causes that the transport knows.
var transportCauses = map[ws.Cause]Cause{
	ws.CausePeerClosed:   CauseClientClosed,
	ws.CauseLost:         CauseConnectionLost,
	ws.CauseViolation:    CauseViolation,
	ws.CauseBackpressure: CauseBackpressure,
	ws.CauseIdle:         CauseIdle,
	ws.CauseStuck:        CauseStuck,
	ws.CauseBehind:       CauseBehind,
	ws.CauseSealing:      CauseSealing,
	ws.CauseStranger:     CauseStranger,
	ws.CauseServerClosed: CauseApplication,
	ws.CauseAborted:      CauseAborted,
}

// ruleCauses are the causes of connections that a rule of the protocol ended, by close
// code.
var ruleCauses = map[uint16]Cause{
	wire.CloseGoingAway:          CauseShutdown,
	wire.CloseAuthTimeout:        CauseAuthTimeout,
	wire.CloseHeartbeatTimeout:   CauseHeartbeat,
	wire.CloseAuthFailed:         CauseAuthFailed,
	wire.CloseEncryptionRequired: CauseEncryptionRequired,
	wire.CloseExpired:            CauseExpired,
}

// causeOf returns why a connection has ended.
func causeOf(end ws.End) Cause {
	causes, ok := transportCauses[end.Cause]
	if end.Cause == ws.CauseRule {
		causes, ok = ruleCauses[end.Code]
	}
	if !ok {
		return CauseApplication
	}
	return causes
}
