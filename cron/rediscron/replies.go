package rediscron

import (
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/internal/redisconn"
)

// ErrRefused is wrapped by errors that persist until someone changes something: a
// missing right, a wrong password, an unknown command. All other errors may go away
// by themselves.
var ErrRefused = errors.New("refused until rights, credentials or configuration change")

// command is the kind of command that was sent.
type command int

const (
	toConnect command = iota // HELLO, AUTH, SELECT, CLIENT, and SENTINEL, ROLE, CLUSTER to find the node
	toClaim                  // EVALSHA and EVAL of claim.lua: Claim and Last
	toFinish                 // EVALSHA and EVAL of finish.lua
	toRuns                   // ZREVRANGE
	toCheck                  // INFO: whether the node waits for its replicas
	commands
)

// verdict says what an error reply means. In every case the call has failed and has
// granted nothing that the caller knows of. The caller repeats a claim with the same
// token: if the error occurred in the middle of the script, the repetition gets the
// answer that the first claim would have got.
type verdict int

const (
	// works: the work continues without the answer.
	works verdict = iota
	// later: the node is the right one but cannot do it now. The connection stays.
	later
	// elsewhere: the connection is unusable. The next call opens a new one: it looks
	// up the name, asks the Sentinels, or queries the Cluster again.
	elsewhere
	// giveUp: the error wraps ErrRefused. The connection stays.
	giveUp
)

// replies says what the error replies of Redis mean for each command.
//
// The scripts always write, so a node that accepts no writes answers no claim and no
// query. Instants that are due in the meantime are run as soon as it answers again,
// or recorded as missed.
var replies = []struct {
	kind  redisconn.Kind
	means [commands]verdict
}{
	//                                       connect   claim      finish     runs       check
	{redisconn.CannotWrite, [commands]verdict{elsewhere, later, later, later, later}}, // MISCONF, OOM, NOREPLICAS
	{redisconn.Loading, [commands]verdict{elsewhere, later, later, later, later}},
	{redisconn.Busy, [commands]verdict{elsewhere, later, later, later, later}},
	{redisconn.Replica, [commands]verdict{elsewhere, elsewhere, elsewhere, elsewhere, later}}, // READONLY, MASTERDOWN
	// The client has started to query the Cluster again. Other slots may be served.
	{redisconn.ClusterDown, [commands]verdict{elsewhere, later, later, later, later}},
	{redisconn.InMotion, [commands]verdict{elsewhere, later, later, later, later}}, // TRYAGAIN
	// These are MOVED and ASK, after the client has followed several of them. A
	// client that was not configured for a Cluster follows none: that is a
	// configuration error.
	{redisconn.Redirected, [commands]verdict{elsewhere, elsewhere, elsewhere, elsewhere, later}},
	// The client has sent the script itself, and it is missing again.
	{redisconn.NoScript, [commands]verdict{elsewhere, later, later, later, later}},
	{redisconn.NoRights, [commands]verdict{giveUp, giveUp, giveUp, giveUp, works}},
	{redisconn.NoCommand, [commands]verdict{giveUp, giveUp, giveUp, giveUp, works}},
	// A new connection authenticates again.
	{redisconn.Unauthenticated, [commands]verdict{giveUp, elsewhere, elsewhere, elsewhere, later}},
	{redisconn.NoAccess, [commands]verdict{giveUp, giveUp, giveUp, giveUp, later}}, // WRONGPASS and similar replies
}

// others says what the error replies of other kinds mean.
var others = [commands]verdict{elsewhere, later, later, later, later}

// meaning looks up an error reply.
func meaning(c command, reply *rueidis.RedisError) verdict {
	kind := redisconn.KindOf(reply.Error())
	for _, row := range replies {
		if row.kind == kind {
			return row.means[c]
		}
	}
	return others[c]
}

// judge returns what a failed call means, and its error. Failures that are not
// answers are left to the client, which reconnects by itself.
func judge(c command, mode rueidis.ClientMode, err error) (verdict, error) {
	reply, ok := rueidis.IsRedisErr(err)
	var untrusted *tls.CertificateVerificationError
	switch {
	case ok && mode != rueidis.ClientModeCluster && redisconn.KindOf(reply.Error()) == redisconn.Redirected:
		return giveUp, fmt.Errorf("rediscron: %w: %w: this Redis is part of a Cluster; use redis+cluster://", ErrRefused, err)
	case ok && meaning(c, reply) != giveUp:
		return meaning(c, reply), fmt.Errorf("rediscron: %w", err)
	case ok, errors.As(err, &untrusted):
		return giveUp, fmt.Errorf("rediscron: %w: %w", ErrRefused, err)
	}
	return later, fmt.Errorf("rediscron: %w", err)
}
