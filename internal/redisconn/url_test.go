package redisconn

import (
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestURL(t *testing.T) {
	type want struct {
		mode       Mode
		addrs      []string
		user, pass string
		db         int
		set        string
		tls        bool
	}
	for text, want := range map[string]want{
		"redis://localhost":                          {addrs: []string{"localhost:6379"}},
		"REDIS://h:1/":                               {addrs: []string{"h:1"}},
		"redis://[::1]:7/3":                          {addrs: []string{"[::1]:7"}, db: 3},
		"redis://[::1]":                              {addrs: []string{"[::1]:6379"}},
		"redis://:p%40ss%2F@h:06379":                 {addrs: []string{"h:6379"}, pass: "p@ss/"},
		"rediss://ann:a:b@h/0":                       {addrs: []string{"h:6379"}, user: "ann", pass: "a:b", tls: true},
		"unix:///run/redis.sock":                     {addrs: []string{"/run/redis.sock"}},
		"unix://ann:x@/run/a%20b?db=2":               {addrs: []string{"/run/a b"}, user: "ann", pass: "x", db: 2},
		"redis+sentinel://a,b:2,[::3]:4/m":           {mode: Sentinel, addrs: []string{"a:26379", "b:2", "[::3]:4"}, set: "m"},
		"rediss+sentinel://:x@a/my%2Fm/5":            {mode: Sentinel, addrs: []string{"a:26379"}, pass: "x", set: "my/m", db: 5, tls: true},
		"redis+cluster://a:1,b":                      {mode: Cluster, addrs: []string{"a:1", "b:6379"}},
		"rediss+cluster://ann:x@a/0":                 {mode: Cluster, addrs: []string{"a:6379"}, user: "ann", pass: "x", tls: true},
		"redis+sentinel://a/m?sentinel_password=%26": {mode: Sentinel, addrs: []string{"a:26379"}, set: "m"},
	} {
		got, err := parseURL(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		o := got.Option
		if got.Mode != want.mode || !slices.Equal(got.Addrs, want.addrs) || o.Username != want.user || o.Password != want.pass ||
			o.SelectDB != want.db || o.Sentinel.MasterSet != want.set || (o.TLSConfig != nil) != want.tls ||
			(o.Sentinel.TLSConfig != nil) != want.tls {
			t.Errorf("%s: got %+v, want %+v", text, got, want)
		}
	}
	got, err := parseURL("redis+sentinel://a/m?sentinel_username=u&sentinel_password=%26")
	if err != nil || got.Option.Sentinel.Username != "u" || got.Option.Sentinel.Password != "&" || got.Option.Password != "" {
		t.Errorf("credentials for Sentinels: %+v, %v", got.Option.Sentinel, err)
	}
}

func TestBadURL(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "no Redis URL",
		"localhost:6379":                       "unknown scheme",
		"http://h":                             "unknown scheme",
		"redis:/h":                             "unknown scheme",
		"redis://":                             "no host name",
		"redis://:6379":                        "no host name",
		"redis://h:0":                          "port",
		"redis://h:65536":                      "port",
		"redis://h:+1":                         "port",
		"redis://h:":                           "port",
		"redis://::1":                          "brackets",
		"redis://[h]":                          "brackets",
		"redis://[::g]":                        "IPv6",
		"redis://h h":                          "spaces",
		"redis://h#1":                          "percent-encoded",
		"redis://h/x":                          "database",
		"redis://h/-1":                         "database",
		"redis://h/1/2":                        "database",
		"redis://h?db=1":                       "unknown parameter",
		"redis://h?":                           "parameter",
		"redis://a,b":                          "redis+cluster",
		"redis://user@h":                       "no password",
		"redis://:@h":                          "no password",
		"redis://:s3cret%zz@h":                 "percent-encoding",
		"redis://:s3cret/rest@h":               "must be percent-encoded",
		"redis://:s3cret?rest@h":               "must be percent-encoded",
		"redis://:s3cret@rest@h":               "%40",
		"redis://:x@h:s3cret":                  "port",
		"redis://:x@h/s3cret":                  "database",
		"redis+sentinel://h":                   "missing master name",
		"redis+sentinel://h/":                  "missing master name",
		"redis+sentinel://h,/m":                "host 2 of 2",
		"redis+sentinel://h/m?db=1":            "unknown parameter",
		"redis+cluster://h/1":                  "only database 0",
		"redis+cluster://h?sentinel_password=": "unknown parameter",
		"unix://h/run/x":                       "absolute path",
		"unix://":                              "absolute path",
		"unix:///":                             "absolute path",
		"unix:///x?db=s3cret":                  "database",
		"redis://" + strings.Repeat("h", 9000): "at most",
		"redis+cluster://" + strings.Repeat("h,", 70) + "h": "more than 64 hosts",
	} {
		_, err := parseURL(text)
		if err == nil {
			t.Errorf("%.60s: no error", text)
			continue
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%.60s: error %q, want it to say %q and no secret", text, err, want)
		}
		if !strings.Contains(err.Error(), "want") {
			t.Errorf("%.60s: error %q does not mention the accepted form", text, err)
		}
	}
}

func FuzzURL(f *testing.F) {
	for _, s := range []string{
		"redis://:S3CR3T@h:1/2", "unix://u:S3CR3T@/p?db=1", "rediss+sentinel://a:S3CR3T@h,[::1]:2/m/3?sentinel_password=S3CR3T",
		"redis+cluster://a:1,b:2", "redis://:S3CR3T/x@h", "redis://S3CR3T:1:2", "redis://h/S3CR3T", "redis://h?S3CR3T=1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseURL(text)
		if err != nil {
			if strings.Contains(err.Error(), "S3CR3T") {
				t.Fatalf("the error for %q contains a part of it: %v", text, err)
			}
			return
		}
		if len(got.Addrs) == 0 || len(got.Addrs) > maxHosts || got.Option.SelectDB < 0 {
			t.Fatalf("%q: %+v", text, got)
		}
		for _, addr := range got.Addrs {
			if strings.HasPrefix(strings.ToLower(text), "unix:") {
				continue
			}
			if host, port, err := net.SplitHostPort(addr); err != nil || host == "" || port == "" || port == "0" {
				t.Fatalf("%q: address %q", text, addr)
			}
		}
		if o := got.Option; o.Username != "" && o.Password == "" {
			t.Fatalf("%q: a user without a password", text)
		}
	})
}

// FuzzCredentials checks that a percent-encoded user and password are decoded unchanged.
func FuzzCredentials(f *testing.F) {
	f.Add("ann", "p@s/s?w#o:r%d")
	f.Add("", "\x00\xff ")
	f.Fuzz(func(t *testing.T, user, pass string) {
		got, err := parseURL("redis://" + url.PathEscape(user) + ":" + url.PathEscape(pass) + "@h")
		if pass == "" || len(user)+len(pass) > maxURL/4 {
			return
		}
		// PathEscape does not encode : and @, which must be encoded in a URL.
		if strings.ContainsAny(user, ":@") || strings.Contains(pass, "@") {
			return
		}
		if err != nil || got.Option.Username != user || got.Option.Password != pass {
			t.Fatalf("user %q, password %q: got %q, %q, %v", user, pass, got.Option.Username, got.Option.Password, err)
		}
	})
}

// The name of a target in errors and logs contains no secrets.
func TestTargetString(t *testing.T) {
	for text, want := range map[string]string{
		"redis://:s3cret@h:1/2":                     "redis at h:1",
		"redis+cluster://:s3cret@a:1,b:2":           "redis cluster at a:1,b:2",
		"redis+sentinel://:s3cret@a:1,b:2/mymaster": `redis master "mymaster" behind the sentinels at a:1,b:2`,
	} {
		target, err := NewTarget(text, nil)
		if err != nil || target.String() != want {
			t.Errorf("%s: %q (%v), want %q", text, &target, err, want)
		}
	}
}
