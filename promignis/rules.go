package promignis

import (
	"encoding/json"
	"hash/crc32"

	"github.com/ignis-go/ignis/access"
	"github.com/ignis-go/ignis/access/enforce"
	"github.com/ignis-go/ignis/auth/jwtauth"
)

// accessFamilies are read from enforce.Policy.
var accessFamilies = []family[enforce.Stats]{
	{
		"access_joins_total", counter, "Rooms that the access rules allowed clients to join, or about which the webhook was asked.",
		[]string{"decision"},
		func(s enforce.Stats, e emitter) {
			e.add(float64(s.Joins), "allowed")
			e.add(float64(s.AskedJoins), "asked")
		},
	},
	{
		"access_join_refusals_total", counter, "Rooms that the access rules did not allow clients to join, by reason.",
		[]string{"reason"},
		func(s enforce.Stats, e emitter) {
			for reason, n := range withZeros(s.RefusedJoins, ruleJoinRefusals) {
				e.add(float64(n), string(reason))
			}
		},
	},
	{
		"access_messages_total", counter, "Messages that the access rules allowed, by where they were sent: to a room, to the webhook, or to OnMessage because they name no room.",
		[]string{"to"},
		func(s enforce.Stats, e emitter) {
			e.add(float64(s.Relayed), "room")
			e.add(float64(s.ToWebhook), "webhook")
			e.add(float64(s.Others), "callback")
		},
	},
	{
		"access_message_refusals_total", counter, "Messages that were refused, except by callbacks, by reason.",
		[]string{"reason"},
		func(s enforce.Stats, e emitter) {
			for reason, n := range withZeros(s.RefusedMessages, ruleMessageRefusals) {
				e.add(float64(n), string(reason))
			}
		},
	},
}

// ruleFamilies are read from enforce.Policy, too.
var ruleFamilies = []family[*access.Rules]{
	{
		"access_rules", gauge, "Access rules in use.", nil,
		func(r *access.Rules, e emitter) { e.add(float64(len(r.List()))) },
	},
	{
		"access_rules_hash", gauge, "Hash of the access rules in use. It is the same for instances with the same rules.", nil,
		func(r *access.Rules, e emitter) {
			text, err := json.Marshal(r)
			if err == nil {
				e.add(float64(crc32.ChecksumIEEE(text)))
			}
		},
	},
}

// tokenFamilies are read from jwtauth.Verifier.
var tokenFamilies = []family[[]jwtauth.SourceStatus]{
	{
		"token_keys", gauge, "Keys that tokens are verified with, by the file or URL that they come from.",
		[]string{"source"},
		eachKeySource(func(s jwtauth.SourceStatus) float64 { return float64(s.Keys) }),
	},
	{
		"token_keys_skipped", gauge, "Keys of the set that cannot be used.",
		[]string{"source"},
		eachKeySource(func(s jwtauth.SourceStatus) float64 { return float64(s.Skipped) }),
	},
	{
		"token_keys_ok", gauge, "1 if the last attempt to read the keys succeeded, 0 if it failed and earlier keys are in use.",
		[]string{"source"},
		eachKeySource(func(s jwtauth.SourceStatus) float64 { return float64(index(s.Err == nil && !s.Loaded.IsZero())) }),
	},
	{
		"token_keys_loaded_timestamp_seconds", gauge, "When the keys were last read, in seconds since 1970; 0 if they never were.",
		[]string{"source"},
		eachKeySource(func(s jwtauth.SourceStatus) float64 { return timestamp(s.Loaded) }),
	},
	{
		"token_key_fetches_total", counter, "Attempts to fetch the keys. There are none for a file.",
		[]string{"source"},
		eachKeySource(func(s jwtauth.SourceStatus) float64 { return float64(s.Attempts) }),
	},
	{
		"token_key_failures_total", counter, "Failed attempts to fetch the keys, and changes of a file that could not be used.",
		[]string{"source"},
		eachKeySource(func(s jwtauth.SourceStatus) float64 { return float64(s.Failures) }),
	},
	{
		"token_unknown_keys_total", counter, "Tokens with an unknown key ID that were refused without another fetch.",
		[]string{"source"},
		eachKeySource(func(s jwtauth.SourceStatus) float64 { return float64(s.Unknown) }),
	},
}

// eachKeySource reads a metric of each file and URL with keys.
func eachKeySource(read func(jwtauth.SourceStatus) float64) func([]jwtauth.SourceStatus, emitter) {
	return func(all []jwtauth.SourceStatus, e emitter) {
		for _, s := range all {
			e.add(read(s), s.Name)
		}
	}
}
