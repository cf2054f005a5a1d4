package doctor

import (
	"context"
	"crypto/rand"
	_ "embed" // the script
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/internal/redisconn"
	"github.com/ignis-go/ignis/wire"
)

// rights.lua tries the commands that store revocations.
//
//go:embed rights.lua
var rightsScript string

// area is a part of what a server does with Redis, and the rights that it lacks.
type area struct {
	status  Status // if a right is missing
	without string // what happens then
	missing []string
	others  []error // errors that are not about rights
}

// try records the result of a command. name is the right to run it, and target the right to
// its channel or key, both as in ACL SETUSER.
func (a *area) try(err error, name, target string) {
	reply, refused := rueidis.IsRedisErr(err)
	switch {
	case err == nil || rueidis.IsRedisNil(err):
	case !refused:
		a.others = append(a.others, err)
	default:
		a.refused(reply.Error(), name, target)
	}
}

// refused records that Redis refuses a command with the given reply.
func (a *area) refused(reply, name, target string) {
	switch redisconn.KindOf(reply) {
	case redisconn.NoRights, redisconn.NoCommand:
		right := name
		if text := strings.ToLower(reply); target != "" && (strings.Contains(text, "channel") || strings.Contains(text, " key")) {
			right = target
		}
		a.add(right)
	default:
		a.others = append(a.others, errors.New(reply))
	}
}

// add adds missing rights.
func (a *area) add(rights ...string) {
	for _, right := range rights {
		if !slices.Contains(a.missing, right) {
			a.missing = append(a.missing, right)
		}
	}
}

func (a *area) findings() (list []Finding) {
	if len(a.missing) > 0 {
		list = append(list, Finding{Status: a.status, Text: a.without, Advice: "ACL SETUSER USER " + strings.Join(a.missing, " ")})
	}
	for _, err := range a.others {
		list = append(list, notAllowed(err, "the rights are not known completely"))
	}
	return list
}

// checkRights tries the commands that a server needs, in ways that change nothing.
func (r *redisChecks) checkRights(ctx context.Context) []Finding {
	defer r.node.guard(ctx)()
	messages := area{status: Fail, without: "the user may not exchange messages: servers do not start, or reach only their own clients"}
	watch := area{status: Warn, without: "faults of Redis are noticed late or not at all: a dead subscription, a replica, a Cluster that is cut off"}
	revocations := area{status: Warn, without: "the user may not store and send revocations and other commands to all servers"}
	once := area{status: Warn, without: "the user may not store idempotency keys, which only the HTTP API needs"}
	own := r.name(redisconn.HeartbeatChannel + redisName + "-" + rand.Text())

	r.trySubscribing(ctx, own, &messages, &watch, &revocations)
	r.tryPublishing(ctx, own, &messages, &watch)
	r.tryWatching(ctx, &watch)
	r.tryRevoking(ctx, &revocations)
	r.tryClaiming(ctx, &once)

	var list []Finding
	for _, a := range []*area{&messages, &watch, &revocations, &once} {
		for _, f := range a.findings() {
			if !slices.Contains(list, f) { // a connection that is lost fails all of them
				list = append(list, f)
			}
		}
	}
	if list == nil {
		list = []Finding{ok("the user has all rights that a server needs")}
	}
	return list
}

// name returns a channel or key with the prefix.
func (r *redisChecks) name(text string) string { return r.c.App.Redis.Prefix + text }

// heartbeats returns the right to the heartbeat channels.
func (r *redisChecks) heartbeats() string { return "&" + r.name(redisconn.HeartbeatChannel) + "*" }

// trySubscribing subscribes on a connection of its own, which it then closes. A right to
// subscribe to a channel includes the right to publish on it, given the right to PUBLISH.
func (r *redisChecks) trySubscribing(ctx context.Context, own string, messages, watch, revocations *area) {
	sub, release := r.node.Dedicate()
	defer release()
	defer sub.Close()
	sub.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: func(rueidis.PubSubMessage) {}})
	channel := func(name string) error { return sub.Do(ctx, sub.B().Subscribe().Channel(name).Build()).Error() }
	broadcast, commands := r.name(wire.ChannelBroadcast), r.name(wire.ChannelCommands)
	messages.try(channel(broadcast), "+subscribe", "&"+broadcast)
	for _, pattern := range wire.Patterns() {
		pattern = r.name(pattern)
		messages.try(sub.Do(ctx, sub.B().Psubscribe().Pattern(pattern).Build()).Error(), "+psubscribe", "&"+pattern)
	}
	watch.try(channel(own), "+subscribe", r.heartbeats())
	revocations.try(channel(commands), "+subscribe", "&"+commands)
}

// tryPublishing publishes where only this program listens. Redis checks the right to the
// command before that to the channel.
func (r *redisChecks) tryPublishing(ctx context.Context, own string, messages, watch *area) {
	var publish area
	publish.try(r.node.Do(ctx, r.node.B().Publish().Channel(own).Message("").Build()).Error(), "+publish", r.heartbeats())
	if slices.Contains(publish.missing, "+publish") {
		messages.add("+publish")
	} else {
		watch.add(publish.missing...)
	}
	messages.others = append(messages.others, publish.others...)
}

// tryWatching tries the commands with which a server checks Redis.
func (r *redisChecks) tryWatching(ctx context.Context, watch *area) {
	do := func(c rueidis.Completed) error { return r.node.Do(ctx, c).Error() }
	watch.try(do(r.node.B().Ping().Build()), "+ping", "")
	watch.try(do(r.node.B().Role().Build()), "+role", "")
	if r.target.Mode == redisconn.Cluster {
		watch.try(do(r.node.B().ClusterNodes().Build()), "+cluster|nodes", "")
		watch.try(do(r.node.B().ClusterSlots().Build()), "+cluster|slots", "")
	}
}

// tryRevoking tries the commands with which revocations are stored, and which the script
// send.lua of package redisbus contains. The script here runs each of them without an effect.
func (r *redisChecks) tryRevoking(ctx context.Context, revocations *area) {
	key := r.name(redisconn.CommandsKey)
	target := "~" + key
	reply, err := r.node.Do(ctx, r.node.B().Eval().Script(rightsScript).Numkeys(1).Key(key).Arg(rand.Text()).Build()).AsStrSlice()
	revocations.try(err, "+eval", target)
	for i := 0; i+1 < len(reply); i += 2 {
		revocations.refused(reply[i+1], "+"+strings.ToLower(reply[i]), target)
	}
	err = r.node.Do(ctx, r.node.B().Zrevrange().Key(key).Start(0).Stop(0).Build()).Error()
	revocations.try(err, "+zrevrange", target)
}

// claimTTL is how long the key lives that tryClaiming sets, if it may not delete it.
const claimTTL = time.Second

// tryClaiming claims a key that no request has, and releases it.
func (r *redisChecks) tryClaiming(ctx context.Context, once *area) {
	key, pattern := r.name(redisconn.ClaimsKey+redisName+"-"+rand.Text()), "~"+r.name(redisconn.ClaimsKey)+"*"
	once.try(r.node.Do(ctx, r.node.B().Set().Key(key).Value("x").Nx().Px(claimTTL).Build()).Error(), "+set", pattern)
	once.try(r.node.Do(ctx, r.node.B().Get().Key(key).Build()).Error(), "+get", pattern)
	once.try(r.node.Do(ctx, r.node.B().Del().Key(key).Build()).Error(), "+del", pattern)
}
