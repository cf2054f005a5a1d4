package rediscron_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/cron/rediscron"
	"github.com/ignis-go/ignis/internal/redistest"
)

// TestNonsenseFromRedis: whatever a server answers, a call fails with the reason, the
// process lives, and a sane server is used again.
func TestNonsenseFromRedis(t *testing.T) {
	for _, target := range []string{"", "+sentinel", "+cluster"} {
		for _, command := range []string{"HELLO", "CLIENT", "EVALSHA", "ROLE", "SENTINEL", "SUBSCRIBE", "UNSUBSCRIBE", "CLUSTER"} {
			if target == "" && command == "CLUSTER" || target != "+sentinel" && strings.Contains("ROLE SENTINEL SUBSCRIBE UNSUBSCRIBE", command) {
				continue // not asked there
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
				// What is an answer elsewhere may be one here, or of a type that the client reports.
				plain := answer == "+OK\r\n" || answer == ":1\r\n"
				if target == "" && !plain && (err == nil || !strings.HasPrefix(err.Error(), "rediscron: redis: ")) {
					t.Errorf("%.30q to %s: %v", answer, command, err)
				}
				server.Answer("", "")
				if _, err := s.Last(t.Context(), cron.Query{Job: "job"}); err != nil {
					t.Errorf("%s: after %.30q to %s: %v", target, answer, command, err)
				}
				_ = s.Close()
			}
		}
	}
}
