package redisbus_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/bustest"
	"github.com/ignis-go/ignis/internal/logtest"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/wire"
)

// Buses and publishers on one Redis receive only messages with their own prefix. The
// database makes no difference.
func TestPrefix(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	zero, one := "redis://"+r.Addr(), "redis://"+r.Addr()+"/1"
	type member struct {
		*node
		p      *redisbus.Publisher
		prefix string
	}
	var all []member
	for _, m := range []struct{ url, prefix string }{
		{zero, ""}, {one, ""}, {zero, "shop:"}, {one, "shop:"}, {zero, "shop"}, {zero, "ws:"},
	} {
		c := impatient(m.url)
		c.Prefix = m.prefix
		all = append(all, member{run(t, c, nil), dial(t, c), m.prefix})
	}
	channels := []string{
		wire.ChannelBroadcast, wire.ToRoom("ws:room:r").Channel(),
		wire.ToClient("c").Channel(), wire.ToUser("u").Channel(),
	}
	want := make(map[string][]string)
	for i, m := range all {
		for _, channel := range channels {
			for _, by := range []string{"bus", "publisher"} {
				text := strings.Join([]string{by, string(rune('0' + i)), channel}, " ")
				want[m.prefix] = append(want[m.prefix], text)
				if by == "publisher" {
					if errs := m.p.Publish(t.Context(), wire.Publication{Channel: channel, Envelope: []byte(text)}); errs != nil {
						t.Fatal(errs)
					}
				} else if err := m.Publish(channel, []byte(text)); err != nil {
					t.Fatal(err)
				}
			}
		}
		redistest.Wait(t, "Redis to accept them", func() bool { return m.Stats().Published == uint64(len(channels)) })
	}
	// All messages that were published before arrive before this one.
	for _, m := range all {
		if errs := m.p.Publish(t.Context(), wire.Publication{Channel: channels[0], Envelope: []byte("end of " + m.prefix)}); errs != nil {
			t.Fatal(errs)
		}
	}
	for i, m := range all {
		var got []string
		for text := m.next(); text != "end of "+m.prefix; text = m.next() {
			got = append(got, text)
		}
		slices.Sort(got)
		slices.Sort(want[m.prefix])
		if d := cmp.Diff(want[m.prefix], got); d != "" {
			t.Errorf("bus %d with prefix %q received (-want +got):\n%s", i, m.prefix, d)
		}
	}
	// A bus with a prefix uses no channel without it.
	for _, m := range all[:2] {
		m.stop()
	}
	for _, channel := range strings.Fields(r.Do("pubsub", "channels")) {
		if !strings.HasPrefix(channel, "shop") && !strings.HasPrefix(channel, "ws:ws:") && !strings.HasPrefix(channel, "ws:ignis:") {
			t.Errorf("subscribed to %s", channel)
		}
	}
}

// The nodes of a Cluster pass on messages with a prefix like any others.
func TestPrefixInCluster(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	var all []*node
	for _, prefix := range []string{"shop:", "shop:", "blog:"} {
		cfg := impatient(c.URL())
		cfg.Prefix = prefix
		all = append(all, run(t, cfg, nil))
	}
	exchange(t, "one way", all[0], all[1])
	exchange(t, "the other way", all[1], all[0])
	exchange(t, "alone", all[2], all[2])
	redistest.Wait(t, "all to be counted", func() bool { return all[2].Stats().Received >= 2000 })
	if n := all[2].Stats().Received; n != 2000 {
		t.Errorf("a bus with another prefix received %d messages, want its own 2000", n)
	}
}

func TestConformanceWithPrefix(t *testing.T) {
	url := redistest.Start(t).URL()
	bustest.Run(t, func(t *testing.T, nodes int) []ignis.Bus {
		var list []ignis.Bus
		for range nodes {
			bus, err := redisbus.New(redisbus.Config{URL: url, Prefix: "shop:", Logger: discard()})
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, bus)
		}
		return list
	})
}

// The access rules that a user needs are the usual ones with the prefix. With them, the
// heartbeat works and no check is skipped.
func TestPrefixWithFewRights(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	rules := []string{"acl", "setuser", "shop", "on", ">secret", "resetchannels", "+publish", "+subscribe", "+psubscribe", "+ping", "+role"}
	r.Do(append(rules, "&shop:ws:broadcast", "&shop:ws:room:*", "&shop:ws:client:*", "&shop:ws:user:*")...)
	c := impatient("redis://shop:secret@" + r.Addr())
	c.Prefix = "shop:"
	n := run(t, c, nil)
	exchange(t, "without heartbeats", n, n)
	if n.log.Count("\n") != 1 || n.log.Count("allow shop:ignis:bus:*") != 1 {
		t.Errorf("the log does not name the missing channel:\n%s", n.log)
	}
	n.stop()

	r.Do("acl", "setuser", "shop", "&shop:ignis:bus:*")
	n = run(t, c, nil)
	exchange(t, "with heartbeats", n, n)
	before := n.Probes()
	redistest.Wait(t, "some probes", func() bool { return n.Probes() > before+3 })
	if n.log.String() != "" || n.Health() != nil {
		t.Errorf("health %v, log:\n%s", n.Health(), n.log)
	}

	c.Prefix = "blog:"
	other, err := redisbus.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Run(t.Context(), func() {}, each(func([]byte) {})); err == nil || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("with another application's prefix, Run = %v", err)
	}
}

func TestInvalidPrefixes(t *testing.T) {
	t.Parallel()
	for prefix, want := range map[string]string{
		"":                      "",
		"shop:":                 "",
		"news:":                 "",
		"!~'\"&,;|":             "",
		strings.Repeat("x", 64): "",
		strings.Repeat("x", 65): "at most 64 characters, got 65",
		"a b":                   "no spaces",
		"a\n":                   "printable ASCII",
		"a\x7f":                 "printable ASCII",
		"\xff":                  "printable ASCII",
		"é":                     "printable ASCII",
		"a*":                    `none of *?[]\{}`,
		"?a":                    `none of *?[]\{}`,
		"a[b]":                  `none of *?[]\{}`,
		`a\`:                    `none of *?[]\{}`,
		"{a}":                   `none of *?[]\{}`,
		"ws:room:":              "must not contain ws:room:",
		"a:ws:client:b":         "must not contain ws:client:",
		"ws:user:":              "must not contain ws:user:",
		"ws:room":               "",
		"ws:broadcast":          "",
	} {
		c := redisbus.Config{URL: "redis://127.0.0.1:1", Prefix: prefix}
		_, err := redisbus.New(c)
		checked := c.Check()
		if want == "" {
			if err != nil || checked != nil {
				t.Errorf("%q: %v, %v", prefix, err, checked)
			}
			continue
		}
		_, dialed := redisbus.Dial(t.Context(), c)
		for _, err := range []error{err, checked, dialed} {
			if !errors.Is(err, redisbus.ErrConfig) || !strings.Contains(err.Error(), "Prefix: ") || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, want %s", prefix, err, want)
			}
		}
	}
}

// A database other than 0 suggests a separation that does not exist.
func TestDatabaseWarning(t *testing.T) {
	t.Parallel()
	for url, warns := range map[string]bool{
		"redis://h":                      false,
		"redis://h/":                     false,
		"redis://h/0":                    false,
		"redis://h/00":                   false,
		"rediss://u:p%2F7@h:1/7":         true,
		"REDIS://:s3cret@h/12":           true,
		"redis+sentinel://a,b/5":         false, // the name of the master
		"redis+sentinel://a,b/5/0":       false,
		"rediss+sentinel://:x@a,b/m%2F/": false,
		"redis+sentinel://a,b/m/3?sentinel_password=s3cret%2F4": true,
		"redis+cluster://a,b": false,
		"unix:///run/redis/1": false,
		"unix:///run/r?db=0":  false,
		"Unix:///run/r?db=2":  true,
		"nonsense/3":          false,
	} {
		text := redisbus.Config{URL: url}.Warning()
		if (text != "") != warns || warns && !strings.Contains(text, "prefixes") || strings.Contains(text, "s3cret") {
			t.Errorf("%s: %q", url, text)
		}
		if text := (redisbus.Config{URL: url, Prefix: "shop:"}).Warning(); text != "" {
			t.Errorf("%s, with a prefix: %q", url, text)
		}
	}
}

// Each bus and each publisher logs the warning once.
func TestDatabaseWarningIsLogged(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	for _, prefix := range []string{"", "shop:"} {
		want := 0
		c := impatient("redis://" + r.Addr() + "/3")
		if c.Prefix = prefix; prefix == "" {
			want = 1
		}
		n := run(t, c, nil)
		exchange(t, "first", n, n)
		r.Do("client", "kill", "type", "pubsub")
		redistest.Wait(t, "the bus to reconnect", func() bool { return n.Stats().Reconnects == 1 })
		if got := n.log.Count("database 3 in the address"); got != want {
			t.Errorf("bus with prefix %q: %d warnings, want %d:\n%s", prefix, got, want, n.log)
		}
		n.stop()
		log := &logtest.Log{}
		c.Logger = log.Logger()
		p, err := redisbus.Dial(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		for range 3 {
			if errs := p.Publish(t.Context(), wire.Publication{Channel: "ws:broadcast", Envelope: []byte("x")}); errs != nil {
				t.Fatal(errs)
			}
		}
		if got := log.Count("level=WARN"); got != want || log.Count("database 3 in the address") != want {
			t.Errorf("publisher with prefix %q: want %d warnings:\n%s", prefix, want, log)
		}
	}
}
