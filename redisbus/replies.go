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
	toSubscribe                // SUBSCRIBE and PSUBSCRIBE to the channels of envelopes
	toBeat                     // SUBSCRIBE and PUBLISH of the heartbeat's channel
	toRole                     // ROLE, HELLO: whether the node is a master
	toCluster                  // CLUSTER NODES, CLUSTER SLOTS
	toSentinel                 // SENTINEL GET-MASTER-ADDR-BY-NAME
	commands
)

// verdict says what an error reply means.
type verdict int

const (
	// works: the reply shows that the connection works, and the link stays. The
	// command itself failed: an envelope is lost and counted as refused, or a check
	// is left out.
	works verdict = iota
	// elsewhere: this node cannot be used now. The link ends, and the next one goes
	// to another node if there is one, or back here after a pause.
	elsewhere
	// giveUp: the reply will not change until somebody changes something. A start
	// fails with it. A bus that has been ready keeps trying and reports the reply.
	giveUp
)

// replies says what the error replies of Redis mean. The last row is for kinds
// without a row of their own.
//
// PUBLISH and SUBSCRIBE write nothing. So Redis continues to deliver with a full disk
// (MISCONF), with its memory at the limit (OOM), without enough replicas (NOREPLICAS)
// and while it loads its data (LOADING), although it answers PING, and everything
// that writes, with these errors.
var replies = []struct {
	kind  redisconn.Kind
	means verdicts
}{
	//                                connect    ping   publish    subscribe  beat       role   cluster    sentinel
	{redisconn.CannotWrite, verdicts{elsewhere, works, works, elsewhere, works, works, works, elsewhere}},
	{redisconn.Loading, verdicts{elsewhere, works, elsewhere, elsewhere, elsewhere, works, elsewhere, elsewhere}},
	// A script is running. Redis refuses to publish in the meantime; the subscription
	// stays.
	{redisconn.Busy, verdicts{elsewhere, works, works, elsewhere, works, works, works, elsewhere}},
	// The node is a replica, or its Cluster does not work.
	{redisconn.Replica, always(elsewhere)},
	{redisconn.ClusterDown, always(elsewhere)},
	// Rights may be missing for a single channel, and a check that is not allowed is
	// left out.
	{redisconn.NoRights, verdicts{giveUp, works, works, giveUp, works, works, works, giveUp}},
	{redisconn.NoCommand, verdicts{giveUp, works, giveUp, giveUp, giveUp, works, works, giveUp}},
	// Credentials and access.
	{redisconn.Unauthenticated, always(giveUp)},
	{redisconn.NoAccess, always(giveUp)},
	{redisconn.Other, verdicts{elsewhere, works, works, elsewhere, works, works, works, elsewhere}},
}

// verdicts holds what one reply means for each command.
type verdicts [commands]verdict

func always(v verdict) verdicts { return verdicts{v, v, v, v, v, v, v, v} }

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

// judge returns nil if err is nil or a reply after which the link works. Otherwise it
// returns why the link ends, as a refusal if another attempt would not change it.
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

// answer returns the text of an error reply without the uninformative ERR.
func answer(reply *rueidis.RedisError) string { return strings.TrimPrefix(reply.Error(), "ERR ") }
