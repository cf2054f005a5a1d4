package sdktest_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ignis-go/ignis/internal/longtest"
)

// flaws are what package model can do wrong, and cases that then fail. Every case is here:
// one that cannot fail would be useless.
func flaws() map[string]string {
	return map[string]string{
		"accepts unencrypted messages":    "encrypted-clear-message encrypted-clear-answer",
		"always reconnects":               "lost no-reconnect",
		"asks for the usual credentials":  "expired-provider",
		"assumes protocol 2":              "protocol-1 protocol-1-requests protocol-1-rooms protocol-1-events",
		"buffers volatile messages":       "volatile-dropped",
		"buffers without a limit":         "buffer-full buffer-drop-oldest buffer-bytes",
		"connects after close":            "close-waiting close-asking",
		"connects twice":                  "connect-twice",
		"connects untold":                 "idle close-idle",
		"continues unencrypted":           "encryption-missing encryption-bad-key",
		"counts from one again":           "request-ids retry",
		"counts messages only":            "idle-connection",
		"delivers anything":               "malformed",
		"delivers events of the protocol": "events-of-the-protocol error-event",
		"delivers out of order":           "order encrypted-order",
		"does not offer protocol 2":       "authenticate authenticate-anonymous",
		"does not seal":                   "encrypted encrypted-order-sent",
		"does not seal joins":             "encrypted-rooms",
		"does not wait for the answer":    "join join-refused join-denied rejoin-refused",
		"ends requests twice":             "answered-twice cancel",
		"ends when a handler throws":      "handler-throws",
		"forgets requests":                "request-lost close-ends-requests final-ends-requests storm",
		"forgets rooms":                   "storm buffer-after-join rejoin rejoin-refused join-interrupted",
		"forgets the latest wish":         "open-while-leaving",
		"forgets who it is":               "connected",
		"gives every message an id":       "volatile",
		"gives no reasons":                "states-reconnect lost",
		"gives up after 4005":             "expired-fixed",
		"gives up easily":                 "reconnect refused-http refused-tcp buffer-reconnect",
		"gives up undecided rooms":        "join-undecided",
		"gives up without credentials":    "refresh-provider-fails",
		"has no jitter":                   "delay-spread",
		"has no limit":                    "too-large too-large-sealed buffer-too-large",
		"has no room in data":             "protocol-1-room-data",
		"hides codes":                     "refused-login refused-login-later",
		"hides texts":                     "refused-login refused-login-later close-text request-denied join-refused join-denied",
		"ignores draining":                "draining draining-lost draining-over",
		"ignores refusals":                "join-refused join-denied",
		"ignores rooms":                   "room-messages room-handlers",
		"ignores the server's timeout":    "heartbeat-server heartbeat-flood",
		"insists":                         "rejected-fixed rejected-provider rejected-twice rejected-later",
		"is connected early":              "connected",
		"joins last":                      "buffer-after-join",
		"joins rooms that were left":      "rejoin",
		"keeps handlers":                  "left",
		"keeps asking for rooms":          "join-undecided-left",
		"keeps old timers":                "heartbeat-reconnect",
		"keeps the buffer":                "buffer-close buffer-final",
		"knows all fields":                "unknown-fields",
		"knows no info":                   "encryption-info",
		"knows no maximum":                "delay-limit",
		"knows no pings":                  "idle-connection-1",
		"knows no timeout":                "request-timeout request-timeout-default stalled-server",
		"knows one code":                  "request-denied",
		"leaves at once":                  "draining-works",
		"leaves later":                    "leave-and-open",
		"leaves with the first handle":    "two-handles",
		"lingers":                         "close states",
		"matches by position":             "answers-out-of-order unknown-answer",
		"needs the provider":              "provider-fails",
		"never connects again":            "states",
		"never gives up":                  "connect-timeout connect-timeout-handshake connect-timeout-provider",
		"never leaves":                    "leave-while-joining",
		"never notices silence":           "half-open half-open-reconnect",
		"never refreshes":                 "refresh",
		"never resets the delay":          "backoff-reset",
		"overtakes":                       "buffer buffer-cancel",
		"reconnects after any code":       "close-4004 close-4006 close-4006-early close-client-fault draining-final",
		"refreshes again":                 "refresh-denied",
		"refreshes at the same time":      "refresh-once",
		"refreshes fixed credentials":     "refresh-fixed",
		"refreshes late":                  "refresh-late",
		"remembers protocol 2":            "protocol-each-time",
		"repeats lost requests":           "request-lost-code lost-not-repeated",
		"repeats states":                  "close",
		"remembers refused logins":        "refused-login-once",
		"replaces fields":                 "authenticate-own-fields",
		"reports forbidden":               "send-undecided",
		"reports refused logins":          "refused-login",
		"resets the delay too early":      "backoff-grows",
		"retries with another id":         "retry",
		"returns too early":               "close-1013 close-4007 close-4008",
		"sends early":                     "nothing-early",
		"sends no heartbeats":             "heartbeat",
		"sends other data":                "request data",
		"sends out of order":              "request-order",
		"skips the provider":              "provider-each-time",
		"skips what it cannot open":       "encrypted-altered",
		"swallows errors":                 "error-event",
		"trusts the clock":                "wrong-clock",
		"uses late answers":               "close-late-message close-connecting login-other-user login-late-answer",
		"uses late sockets":               "login-late-socket",
		"uses one key pair":               "encrypted-new-key",
		"waits forever":                   "buffer-expired",
		"waits in any case":               "connect-while-waiting",
		"wants rooms that were left":      "open-and-leave",
	}
}

// A client with a flaw fails the cases of the rules that it breaks.
func TestFlaws(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	driver := build(t, "model")
	// play returns the cases of names that the client with the flaw does not fail.
	play := func(flaw string, names []string) (passed []string) {
		results, err := tryPlay(t.Context(), driver, flaw, short, func(name string) bool { return slices.Contains(names, name) })
		if err != nil {
			t.Errorf("a client that %s: %v", flaw, err)
		}
		for _, r := range results {
			if r.Outcome != failed {
				passed = append(passed, r.Case)
			}
		}
		return passed
	}
	var covered []string
	var mu sync.Mutex
	again := make(map[string][]string)
	var wg sync.WaitGroup
	places := make(chan struct{}, 6) // they mostly wait
	for flaw, names := range flaws() {
		cases := strings.Fields(names)
		covered = append(covered, cases...)
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			if passed := play(flaw, cases); passed != nil {
				mu.Lock()
				defer mu.Unlock()
				again[flaw] = passed
			}
		})
	}
	wg.Wait()
	// On a busy machine, a client may be too slow to do what it must not do while a case watches it.
	for flaw, names := range again {
		for attempts := 0; names != nil && attempts < 5; attempts++ {
			names = play(flaw, names)
		}
		if names != nil {
			t.Errorf("a client that %s passes the cases %q", flaw, names)
		}
	}
	for _, c := range allCases() {
		if !slices.Contains(covered, c) {
			t.Errorf("no flaw makes the case %s fail", c)
		}
	}
}
