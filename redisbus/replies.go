package redisbus

import (
	"crypto/tls"
	"errors"
	"strings"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/internal/redisconn"
)

// command is the kind of command that was sent. An error reply means different things
// for different commands.
type command int

const (
	toConnect   command = iota // HELLO, AUTH, SELECT, CLIENT: the start of a connection
	toPing                     // PING, on either connection
	toPublish                  // PUBLISH of an envelope
	toSubscribe                // SUBSCRIBE and PSUBSCRIBE for the channels of envelopes
	toBeat                     // SUBSCRIBE and PUBLISH for the heartbeat channel, and SUBSCRIBE for commands
	toRole                     // ROLE and HELLO, to find out whether the node is a master
	toCluster                  // CLUSTER NODES and CLUSTER SLOTS
	toSentinel                 // SENTINEL GET-MASTER-ADDR-BY-NAME
	toStore                    // EVAL of send.lua and ZREVRANGE, for commands
	commands
)

// verdict says what an error reply means.
type verdict int

const (
	// works means that the connection works, so the link stays, but that the command
	// failed: an envelope is lost and counted as refused, or a check is skipped.
	works verdict = iota
	// elsewhere means that this node cannot be used now. The link ends, and the next one
	// is made to another node if there is one, or to this node after a pause.
	elsewhere
	// giveUp means that the reply will be the same until someone intervenes. A bus that
	// is starting fails with it. A bus that has been ready keeps trying and reports it.
	giveUp
)

// replies defines what the error replies of Redis mean. The last row is also for kinds that
// have no row.
//
// The link stays after any reply to a command that stores or reads commands, and the command is
// repeated unless the verdict is giveUp. If the link must end, the next probe notices.
//
// PUBLISH and SUBSCRIBE do not write data. So Redis continues to deliver messages while its
// disk is full (MISCONF), its memory is at the limit (OOM), there are too few replicas
// (NOREPLICAS), or it is loading its data (LOADING), although it replies to commands that write,
// and in some of these states to PING, with these errors.
var replies = []struct {
	kind  redisconn.Kind
	means verdicts
}{
	//                                connect    ping   publish    subscribe  beat       role   cluster    sentinel   store
	{redisconn.CannotWrite, verdicts{elsewhere, works, works, elsewhere, works, works, works, elsewhere, works}},
	{redisconn.Loading, verdicts{elsewhere, works, elsewhere, elsewhere, elsewhere, works, elsewhere, elsewhere, works}},
	// A script is running. In the meantime Redis refuses to publish, but the subscription
	// stays.
	{redisconn.Busy, verdicts{elsewhere, works, works, elsewhere, works, works, works, elsewhere, works}},
	// The node is a replica, or its Cluster does not work.
	{redisconn.Replica, always(elsewhere)},
	{redisconn.ClusterDown, always(elsewhere)},
	// Rights may be missing for a single channel only, and checks without rights are
	// skipped.
	{redisconn.NoRights, verdicts{giveUp, works, works, giveUp, works, works, works, giveUp, giveUp}},
	{redisconn.NoCommand, verdicts{giveUp, works, giveUp, giveUp, giveUp, works, works, giveUp, giveUp}},
	// Credentials and access.
	{redisconn.Unauthenticated, always(giveUp)},
	{redisconn.NoAccess, always(giveUp)},
	// A slot of the Cluster is being moved, or is on a node that cannot be reached.
	{redisconn.InMotion, verdicts{elsewhere, works, works, elsewhere, works, works, works, elsewhere, works}},
	{redisconn.Redirected, verdicts{elsewhere, works, works, elsewhere, works, works, works, elsewhere, works}},
	{redisconn.Other, verdicts{elsewhere, works, works, elsewhere, works, works, works, elsewhere, giveUp}},
}

// verdicts holds what one reply means for each command.
type verdicts [commands]verdict

func always(v verdict) verdicts { return verdicts{v, v, v, v, v, v, v, v, v} }

// meaning looks up an error reply.
func meaning(c command, reply *rueidis.RedisError) verdict {
	kind := redisconn.KindOf(reply.Error())
	for _, row := range replies {
		if row.kind == kind {
			return row.means[c]
		}
	}
	return replies[len(replies)-1].means[c]
}

// judge returns nil if err is nil or a reply after which the link still works. Otherwise it
// returns the reason why the link ends, as a refusal if it would recur on every attempt.
func judge(c command, err error) error {
	reply, ok := rueidis.IsRedisErr(err)
	if !ok {
		var untrusted *tls.CertificateVerificationError
		if errors.As(err, &untrusted) {
			return &refusal{err}
		}
		return err
	}
	switch meaning(c, reply) {
	case works:
		return nil
	case giveUp:
		return &refusal{err}
	default:
		return err
	}
}

// answer returns the text of an error reply without the generic prefix ERR.
func answer(reply *rueidis.RedisError) string { return strings.TrimPrefix(reply.Error(), "ERR ") }
