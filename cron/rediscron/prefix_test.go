package rediscron_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/cron/rediscron"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
)

// Jobs of the same name in two applications do not interfere, even if each application may use
// only keys with its own prefix.
func TestPrefixOfApplications(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	store := func(prefix string) *rediscron.Store {
		user := strings.TrimSuffix(prefix, ":")
		r.Do(strings.Fields("acl setuser " + user + " on >secret ~" + prefix + "ignis:cron:* +client +hello +ping +info +eval +evalsha +time " +
			"+hmget +hset +zadd +zcard +zrange +zrangebyscore +zrevrange +zrem +zremrangebyrank +pexpire")...)
		return open(t, rediscron.Config{Redis: &redisbus.Config{URL: "redis://" + user + ":secret@" + r.Addr(), Prefix: prefix}})
	}
	shop, again, blog := store("shop:"), store("shop:"), store("blog:")
	redisTime(t, shop)
	at := whole(redisTime(t, blog)).Add(time.Second)
	await(t, blog, at)
	claim(t, shop, at, "a", cron.Granted)
	claim(t, blog, at, "b", cron.Granted)
	claim(t, again, at, "c", cron.Taken)
	for _, s := range []*rediscron.Store{shop, blog} {
		if runs, err := s.Runs(t.Context(), "job", 10); err != nil || len(runs) != 1 {
			t.Errorf("runs %+v (%v)", runs, err)
		}
	}
}

// The prefix that separates messages precedes the one configured for the keys.
func TestBothPrefixes(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	s := open(t, rediscron.Config{Redis: &redisbus.Config{URL: r.URL(), Prefix: "shop:"}, Prefix: "own"})
	at := whole(redisTime(t, s)).Add(time.Second)
	await(t, s, at)
	claim(t, s, at, "a", cron.Granted)
	if got := strings.Fields(r.Do("keys", "*")); len(got) != 2 || !strings.HasPrefix(got[0], "shop:own:{job}:") || !strings.HasPrefix(got[1], "shop:own:{job}:") {
		t.Errorf("keys %q", got)
	}
}
