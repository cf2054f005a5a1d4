package doctor

import (
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/redisconn"
	"github.com/ignis-go/ignis/internal/redistest"
)

// documentedRights returns the rights in docs/redis.md for everything that a server does.
func documentedRights(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/redis.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "## Rights")
	section, _, _ = strings.Cut(section, "With a prefix")
	var rights []string
	for _, block := range regexp.MustCompile("(?s)```\n(.*?)```").FindAllStringSubmatch(section, -1) {
		for _, word := range strings.Fields(block[1]) {
			if strings.ContainsAny(word[:1], "+&~") {
				rights = append(rights, word)
			}
		}
	}
	if len(rights) < 20 {
		t.Fatalf("docs/redis.md lists the rights %q", rights)
	}
	return rights
}

// setUser gives the user app exactly the given rights.
func setUser(r *redistest.Server, rights ...string) {
	r.Do(append([]string{"acl", "setuser", "app", "reset", "on", ">s3cr3t", "resetchannels", "resetkeys", "-@all"}, rights...)...)
}

// A user with the documented rights has all rights, and each of them is needed.
func TestRights(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	all := documentedRights(t)
	url := "redis://app:s3cr3t@" + r.Addr()
	setUser(r, all...)
	want(t, redisFindings(t, url), "redis.rights", "ok: all rights")

	for i, right := range all {
		setUser(r, slices.Delete(slices.Clone(all), i, i+1)...)
		found := redisFindings(t, url)
		switch right {
		case "+time": // also tried as the clock
			want(t, found, "redis.clock", "skip: the clock of Redis is not known")
		case "+ping":
			want(t, found, "redis.latency", "skip: the latency is not known")
		case "+role": // HELLO has it, too
			want(t, found, "redis.role", "ok: is a master")
		}
		status := Warn
		if slices.Contains([]string{"+publish", "+subscribe", "+psubscribe"}, right) || strings.HasPrefix(right, "&ws:") {
			status = Fail
		}
		named := false
		for _, f := range found {
			if f.Check == "redis.rights" && f.Status == status && slices.Contains(strings.Fields(f.Advice), right) {
				named = true
			}
		}
		if !named {
			t.Errorf("without %s: %+v", right, found)
		}
		if r.Do("exists", redisconn.CommandsKey) != "0" {
			t.Fatalf("without %s, trying the rights leaves a command", right)
		}
	}
}

// With a prefix, the rights to the prefixed channels and keys suffice.
func TestRightsWithPrefix(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	url := "redis://app:s3cr3t@" + r.Addr()
	prefixed := func(c *Config) { c.App.Redis.Prefix = "shop:" }
	rights := documentedRights(t)
	setUser(r, rights...)
	want(t, redisFindings(t, url, prefixed), "redis.rights",
		"fail: &shop:ws:broadcast &shop:ws:room:* &shop:ws:client:* &shop:ws:user:*", "warn: &shop:ignis:bus:*",
		"warn: &shop:ignis:commands ~shop:ignis:{06S}:commands", "warn: ~shop:ignis:{06S}:once:*")
	for i, right := range rights {
		if right[0] != '+' {
			rights[i] = right[:1] + "shop:" + right[1:]
		}
	}
	setUser(r, rights...)
	want(t, redisFindings(t, url, prefixed), "redis.rights", "ok: all rights")
}

// Trying the rights neither changes stored commands nor sends messages to servers.
func TestRightsChangeNothing(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	const key = "ignis:{06S}:commands"
	until := fmt.Sprint(time.Now().Add(time.Hour).UnixMilli())
	r.Do("zadd", key, until, "one", until, "two")
	r.Do("pexpireat", key, until)
	before := r.Do("zrange", key, "0", "-1", "withscores")
	received := listenTo(t, r.Addr())
	want(t, redisFindings(t, r.URL()), "redis.rights", "ok: ")
	if after := r.Do("zrange", key, "0", "-1", "withscores"); after != before {
		t.Errorf("%s, then %s", before, after)
	}
	if at := r.Do("pexpiretime", key); at != until {
		t.Errorf("the key expires at %s, want %s", at, until)
	}
	// Nothing has to be removed, so nothing is left if the rights to remove are missing.
	r.Do("del", key)
	setUser(r, slices.DeleteFunc(documentedRights(t), func(right string) bool { return right == "+zrem" || right == "+pexpireat" })...)
	redisFindings(t, "redis://app:s3cr3t@"+r.Addr())
	if r.Do("exists", key) != "0" {
		t.Error("trying the rights has stored a command")
	}
	r.Do("publish", "ws:broadcast", "the end")
	if got := received(); len(got) != 1 || got[0] != "the end" {
		t.Errorf("servers received %q", got)
	}
}

// listenTo subscribes to everything that servers subscribe to. The returned function returns
// all messages up to the end.
func listenTo(t *testing.T, addr string) func() []string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, "PSUBSCRIBE ws:* ignis:commands\r\n"); err != nil {
		t.Fatal(err)
	}
	var seen []byte
	until := func(text string) {
		for !strings.Contains(string(seen), text) {
			b := make([]byte, 4096)
			n, err := conn.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			seen = append(seen, b[:n]...)
		}
	}
	until(":2\r\n")
	return func() (list []string) {
		until("the end\r\n")
		for _, m := range regexp.MustCompile(`pmessage\r\n\$\d+\r\n[^\r]*\r\n\$\d+\r\n[^\r]*\r\n\$\d+\r\n([^\r]*)\r\n`).FindAllStringSubmatch(string(seen), -1) {
			list = append(list, m[1])
		}
		return list
	}
}
