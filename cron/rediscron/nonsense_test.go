package rediscron_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/cron/rediscron"
	"github.com/ignis-go/ignis/internal/redistest"
)

// TestNonsenseFromRedis checks that, whatever a server answers, a call fails with the reason, the
// process survives, and the server can be used again when its answers are valid.
func TestNonsenseFromRedis(t *testing.T) {
	for _, target := range []string{"", "+sentinel", "+cluster"} {
		for _, command := range []string{"HELLO", "CLIENT", "EVALSHA", "ROLE", "SENTINEL", "SUBSCRIBE", "UNSUBSCRIBE", "CLUSTER"} {
			if target == "" && command == "CLUSTER" || target != "+sentinel" && strings.Contains("ROLE SENTINEL SUBSCRIBE UNSUBSCRIBE", command) {
				continue // not sent there
			}
			for _, answer := range redistest.Nonsense {
				server := redistest.Pretend(t)
				server.Answer(command, answer)
				url := strings.Replace(server.URL(), "redis://", "redis"+target+"://", 1)
				if target == "+sentinel" {
					url += "/m"
				}
				s := open(t, rediscron.Config{URL: url, Timeout: 3 * time.Second})
				_, err := s.Last(t.Context(), cron.Query{Job: "job"})
				// The answer may be valid for this command, or of a type that the client
				// reports.
				plain := answer == "+OK\r\n" || answer == ":1\r\n"
				if target == "" && !plain && (err == nil || !strings.HasPrefix(err.Error(), "rediscron: redis: ")) {
					t.Errorf("%.30q to %s: %v", answer, command, err)
				}
				server.Reset()
				if _, err := s.Last(t.Context(), cron.Query{Job: "job"}); err != nil {
					t.Errorf("%s: after %.30q to %s: %v", target, answer, command, err)
				}
				_ = s.Close()
			}
		}
	}
}

// An answer that the claim script cannot have given is not a grant.
func TestInvalidAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		verdict, fence, now string
		good                bool
	}{
		{":1", ":7", ":1000000", true},
		{":4", ":7", ":1000000", true},
		{":0", ":7", ":1000000", false},
		{":5", ":7", ":1000000", false},
		{":-1", ":7", ":1000000", false},
		{":1", ":7", ":0", false},
		{"+one", ":7", ":1000000", false},
		{":1", "*0", ":1000000", false},
		{":1", ":7", "+noon", false},
	} {
		server := redistest.Pretend(t)
		server.Answer("EVALSHA", fmt.Sprintf("*4\r\n%s\r\n%s\r\n%s\r\n:0\r\n", c.verdict, c.fence, c.now))
		s := open(t, rediscron.Config{URL: server.URL()})
		g, err := s.Claim(t.Context(), cron.Claim{Job: "job", Scheduled: time.Unix(100, 0), Token: "a"})
		if (c.verdict == ":0" || c.verdict == ":5") && (err == nil || !strings.Contains(err.Error(), "unknown verdict "+c.verdict[1:]+" ")) {
			t.Errorf("%+v: %v", c, err)
		}
		if c.good != (err == nil) || err != nil && !strings.Contains(err.Error(), "the script's answer") {
			t.Errorf("%+v: %v", c, err)
		}
		if err == nil && (g.Fence != 7 || !g.Now.Equal(time.Unix(1, 0)) || g.Verdict != cron.Verdict(c.verdict[1]-'0')) {
			t.Errorf("%+v: %+v", c, g)
		}
		if err != nil && g.Verdict != 0 {
			t.Errorf("%+v: granted %+v with an error", c, g)
		}
	}
}

// An answer that is not a list of runs is an error.
func TestInvalidListOfRuns(t *testing.T) {
	t.Parallel()
	server := redistest.Pretend(t)
	s := open(t, rediscron.Config{URL: server.URL()})
	for _, answer := range []string{":1\r\n", "+OK\r\n", "$5\r\nhello\r\n"} {
		server.Answer("ZREVRANGE", answer)
		if runs, err := s.Runs(t.Context(), "job", 1); err == nil || !strings.HasPrefix(err.Error(), "rediscron: ") || runs != nil {
			t.Errorf("%q: %v, %v", answer, runs, err)
		}
	}
}
