package redisbus

import (
	"crypto/tls"
	"errors"
	"strings"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/internal/redisconn"
)

// command is what was asked. The same error reply means different things to
// different commands.
type command int

const (
	toConnect   command = iota // HELLO, AUTH, SELECT, CLIENT: what a connection begins with
	toPing                     // PING, on either connection
	toPublish                  // PUBLISH of an envelope
	toSubscribe                // SUBSCRIBE and PSUBSCRIBE to what envelopes come on
	toBeat                     // SUBSCRIBE and PUBLISH of the heartbeat's channel
	toRole                     // ROLE, HELLO: is the node a master?
	toCluster                  // CLUSTER NODES, CLUSTER SLOTS
	toSentinel                 // SENTINEL GET-MASTER-ADDR-BY-NAME
	commands
)

// verdict is what an error reply means.
type verdict int

const (
	// works: the reply shows that the connection works, and the link stays. What
	// was asked for is missing: an envelope is lost and counted as refused, a
	// check is left out.
	works verdict = iota
	// elsewhere: this node is of no use now. The link ends, and the next one goes
	// to another node if there is one, else here again after a pause.
	elsewhere
	// giveUp: the reply stays the same until somebody changes something. A start
	// fails with it; a bus that was ready once goes on trying and says why.
	giveUp
)

// replies is what the error replies of Redis mean. The last row is for kinds that have
// none of their own.
//
// PUBLISH and SUBSCRIBE write nothing. So Redis goes on delivering with a disk
// that is full (MISCONF), with its memory at the limit (OOM), without enough
// replicas (NOREPLICAS) and while it loads its data (LOADING), although PING, and
// whatever writes, are answered with these errors.
var replies = []struct {
	kind  redisconn.Kind
	means verdicts
}{
	//                                connect    ping   publish    subscribe  beat       role   cluster    sentinel
	{redisconn.CannotWrite, verdicts{elsewhere, works, works, elsewhere, works, works, works, elsewhere}},
	{redisconn.Loading, verdicts{elsewhere, works, elsewhere, elsewhere, elsewhere, works, elsewhere, elsewhere}},
	// A script runs. What is published meanwhile is refused; the subscription stays.
	{redisconn.Busy, verdicts{elsewhere, works, works, elsewhere, works, works, works, elsewhere}},
	// A replica, or a node whose Cluster does not work.
	{redisconn.Replica, always(elsewhere)},
	{redisconn.ClusterDown, always(elsewhere)},
	// Rights may end at one channel, and what a user may not ask is left out.
	{redisconn.NoRights, verdicts{giveUp, works, works, giveUp, works, works, works, giveUp}},
	{redisconn.NoCommand, verdicts{giveUp, works, giveUp, giveUp, giveUp, works, works, giveUp}},
	// Credentials and access.
	{redisconn.Unauthenticated, always(giveUp)},
	{redisconn.NoAccess, always(giveUp)},
	{redisconn.Other, verdicts{elsewhere, works, works, elsewhere, works, works, works, elsewhere}},
}

// verdicts are what one reply means to each command.
type verdicts [commands]verdict

func always(v verdict) verdicts { return verdicts{v, v, v, v, v, v, v, v} }

// meaning looks an error reply up.
func meaning(c command, reply *rueidis.RedisError) verdict {
	kind := redisconn.KindOf(reply.Error())
	for _, row := range replies {
		if row.kind == kind {
			return row.means[c]
		}
	}
	return replies[len(replies)-1].means[c]
}

// judge returns nil when err is nil or a reply with which the link works, and
// else why the link ends; a refusal when another attempt would not change it.
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

// answer returns the text of an error reply without the ERR that says nothing.
func answer(reply *rueidis.RedisError) string { return strings.TrimPrefix(reply.Error(), "ERR ") }
