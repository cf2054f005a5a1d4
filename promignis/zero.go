package promignis

import (
	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/access"
	"github.com/ignis-go/ignis/access/enforce"
	"github.com/ignis-go/ignis/webhook"
)

// The values of labels that are reported from the start, with 0. Prometheus does not see the
// increase with which a counter appears, so a burst for a new reason would be invisible. Tests
// compare the lists with the packages that define the values.
var (
	upgradeOutcomes = []string{accepted, "origin not allowed", "not accepted", "full"}

	authOutcomes = []ignis.AuthOutcome{
		ignis.AuthAccepted, ignis.AuthRejected, ignis.AuthRevoked, ignis.AuthLimited, ignis.AuthUnavailable, ignis.AuthFailed, ignis.AuthAbandoned,
	}

	joinRefusals = []string{
		"malformed request", "name not allowed", "another client's id", "too many names in one request",
		"not allowed by the application", "not allowed by the access rules", "in too many rooms", "too many joins",
	}

	// ruleJoinRefusals and ruleMessageRefusals do not contain the reasons about the names of rooms,
	// for which access.Reason.BadName returns true.
	ruleJoinRefusals = []access.Reason{
		access.NoRule, access.NobodyJoins, access.OtherUser, access.NoUser, access.UserColon, access.DefaultRoom,
		access.NoClaim, access.ClaimLacks,
	}
	ruleMessageRefusals = []access.Reason{
		access.NoRule, access.OtherUser, access.NoUser, access.UserColon, access.DefaultRoom, access.NoEvents,
		access.OtherEvent, access.NotMember, enforce.NoRoom, enforce.TwoRooms, enforce.Disconnected,
	}

	webhookCauses = []webhook.Cause{
		webhook.CauseBusy, webhook.CauseCircuit, webhook.CauseTimeout, webhook.CauseConnection, webhook.CauseStatus,
		webhook.CauseTooLarge, webhook.CauseMalformed, webhook.CauseRequest, webhook.CauseCanceled,
	}
	webhookLosses = []webhook.LossCause{
		webhook.LostFull, webhook.LostTooOld, webhook.LostRefused, webhook.LostGone, webhook.LostShutdown, webhook.LostInvalid,
	}

	// closings has the codes that the server sends for each cause. Clients and the application can
	// choose others.
	closings = []closing{
		{ignis.CauseClientClosed, "1000"},
		{ignis.CauseClientClosed, "1001"},
		{ignis.CauseClientClosed, "1005"},
		{ignis.CauseConnectionLost, "1006"},
		{ignis.CauseViolation, "1002"},
		{ignis.CauseViolation, "1007"},
		{ignis.CauseViolation, "1009"},
		{ignis.CauseBackpressure, "1006"},
		{ignis.CauseIdle, "1006"},
		{ignis.CauseStuck, "1006"},
		{ignis.CauseBehind, "4007"},
		{ignis.CauseSealing, "1006"},
		{ignis.CauseStranger, "1009"},
		{ignis.CauseStranger, "4007"},
		{ignis.CauseApplication, "1000"},
		{ignis.CauseApplication, "4006"},
		{ignis.CauseShutdown, "1001"},
		{ignis.CauseTryAgain, "1013"},
		{ignis.CauseAuthTimeout, "4001"},
		{ignis.CauseHeartbeat, "4002"},
		{ignis.CauseAuthFailed, "4003"},
		{ignis.CauseEncryptionRequired, "4004"},
		{ignis.CauseExpired, "4005"},
		{ignis.CauseRevoked, "4006"},
		{ignis.CauseConnections, "4008"},
		{ignis.CauseRate, "4007"},
		{ignis.CauseMemory, "1006"},
		{ignis.CauseAge, "1001"},
		{ignis.CauseAborted, "1006"},
	}
)

// withZeros adds the known keys that are missing to counts.
func withZeros[K comparable](counts map[K]uint64, known []K) map[K]uint64 {
	all := make(map[K]uint64, len(counts)+len(known))
	for _, k := range known {
		all[k] = 0
	}
	for k, n := range counts {
		all[k] = n
	}
	return all
}
