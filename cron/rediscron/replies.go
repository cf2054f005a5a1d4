package rediscron

import (
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/internal/redisconn"
)

// ErrRefused is wrapped by errors with which Redis answers until somebody changes
// something: a right that is missing, a wrong password, a command that there is not. All
// other errors may go away by themselves.
var ErrRefused = errors.New("refused until rights, credentials or configuration change")

// command is what Redis was asked.
type command int

const (
	toConnect command = iota // HELLO, AUTH, SELECT, CLIENT; SENTINEL, ROLE, CLUSTER: what finds the node
	toClaim                  // EVALSHA and EVAL of claim.lua: Claim and Last
	toFinish                 // EVALSHA and EVAL of finish.lua
	toRuns                   // ZREVRANGE
	toCheck                  // INFO: whether the node waits for its replicas
	commands
)

// verdict is what an error reply means. Whatever it is, the call has failed and has granted
// nothing that a caller knows of. The caller repeats a claim under the same token: if the
// reply came in the middle of the script, that is answered as the first one would have been.
type verdict int

const (
	// works: the work goes on without what was asked for.
	works verdict = iota
	// later: it is the right node, and it does not do that now. The connection stays.
	later
	// elsewhere: the connection is of no use. The next call makes another one: it looks the
	// name up, asks the Sentinels, or learns the Cluster again.
	elsewhere
	// giveUp: the error wraps ErrRefused. The connection stays.
	giveUp
)

// replies is what the error replies of Redis mean to each command. The last row is for
// kinds that have none of their own.
//
// The scripts write in every case, so a node that takes no writes answers no claim and no
// question. What is due meanwhile is run as soon as it answers again, or recorded as missed.
var replies = []struct {
	kind  redisconn.Kind
	means [commands]verdict
}{
	//                                       connect   claim      finish     runs       check
	{redisconn.CannotWrite, [commands]verdict{elsewhere, later, later, later, later}}, // MISCONF, OOM, NOREPLICAS
	{redisconn.Loading, [commands]verdict{elsewhere, later, later, later, later}},
	{redisconn.Busy, [commands]verdict{elsewhere, later, later, later, later}},
	{redisconn.Replica, [commands]verdict{elsewhere, elsewhere, elsewhere, elsewhere, later}}, // READONLY, MASTERDOWN
	// The client has begun to learn the Cluster again. Other slots may be served.
	{redisconn.ClusterDown, [commands]verdict{elsewhere, later, later, later, later}},
	{redisconn.InMotion, [commands]verdict{elsewhere, later, later, later, later}}, // TRYAGAIN
	// MOVED and ASK, which the client has followed several times. One that was not told of a
	// Cluster follows none: that is a matter of the configuration.
	{redisconn.Redirected, [commands]verdict{elsewhere, elsewhere, elsewhere, elsewhere, later}},
	// The client has sent the script itself, and that has gone, too.
	{redisconn.NoScript, [commands]verdict{elsewhere, later, later, later, later}},
	{redisconn.NoRights, [commands]verdict{giveUp, giveUp, giveUp, giveUp, works}},
	{redisconn.NoCommand, [commands]verdict{giveUp, giveUp, giveUp, giveUp, works}},
	// Another connection says who it is again.
	{redisconn.Unauthenticated, [commands]verdict{giveUp, elsewhere, elsewhere, elsewhere, later}},
	{redisconn.NoAccess, [commands]verdict{giveUp, giveUp, giveUp, giveUp, later}}, // WRONGPASS and the like
	{redisconn.Other, [commands]verdict{elsewhere, later, later, later, later}},
}

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

// judge returns what a failed call means, and why it has failed. Failures that are no answers
// are the client's affair: it connects again by itself.
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
