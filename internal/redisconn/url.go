package redisconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

// Accepted forms, for error messages.
const (
	formSingle   = "redis[s]://[user:pass@]host[:6379][/db]"
	formUnix     = "unix://[user:pass@]/path/to/redis.sock[?db=0]"
	formSentinel = "redis[s]+sentinel://[user:pass@]host[:26379],.../master-name[/db][?sentinel_username=U&sentinel_password=P]"
	formCluster  = "redis[s]+cluster://[user:pass@]host[:6379],..."
)

// scheme is an accepted URL scheme and its meaning.
type scheme struct {
	mode Mode
	tls  bool
	unix bool
	port string
	form string
}

func schemes(name string) (scheme, bool) {
	switch name {
	case "redis", "rediss":
		return scheme{mode: Single, tls: name == "rediss", port: "6379", form: formSingle}, true
	case "unix":
		return scheme{mode: Single, unix: true, form: formUnix}, true
	case "redis+sentinel", "rediss+sentinel":
		return scheme{mode: Sentinel, tls: name == "rediss+sentinel", port: "26379", form: formSentinel}, true
	case "redis+cluster", "rediss+cluster":
		return scheme{mode: Cluster, tls: name == "rediss+cluster", port: "6379", form: formCluster}, true
	}
	return scheme{}, false
}

// maxURL limits the length of a URL, and maxHosts the list of hosts.
const (
	maxURL   = 8 << 10
	maxHosts = 64
)

// parseURL parses the URL of a Redis. Its errors never repeat any part of the URL: if
// a password is not percent-encoded, any part could belong to it.
func parseURL(text string) (Target, error) {
	if text == "" {
		return Target{}, errors.New("no Redis URL; want " + formSingle)
	}
	if len(text) > maxURL {
		return Target{}, fmt.Errorf("the Redis URL has %d bytes; want at most %d", len(text), maxURL)
	}
	name, rest, ok := strings.Cut(text, "://")
	s, known := schemes(strings.ToLower(name))
	if !ok || !known {
		return Target{}, fmt.Errorf("unknown scheme in the Redis URL; want %s, %s, %s or %s",
			formSingle, formUnix, formSentinel, formCluster)
	}
	t, err := s.parse(rest)
	if err != nil {
		return Target{}, fmt.Errorf("the Redis URL: %w; want %s", err, s.form)
	}
	return t, nil
}

// parse parses the part after the scheme.
func (s scheme) parse(rest string) (Target, error) {
	for _, r := range rest {
		if r <= ' ' || r == 0x7f || r == '#' {
			return Target{}, errors.New("spaces, control characters and # must be percent-encoded")
		}
	}
	rest, query, hasQuery := strings.Cut(rest, "?")
	authority, path, hasPath := strings.Cut(rest, "/")
	if strings.Contains(path+query, "@") {
		return Target{}, errors.New("the characters @ / ? # in a user or password must be percent-encoded")
	}
	t := Target{Mode: s.mode}
	hosts := authority
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		var err error
		if t.Option.Username, t.Option.Password, err = credentials(authority[:i]); err != nil {
			return Target{}, err
		}
		hosts = authority[i+1:]
	}
	if hasQuery {
		if err := s.parameters(&t.Option, query); err != nil {
			return Target{}, err
		}
	}
	if s.tls {
		// Without a ServerName, each connection verifies the name that it dialed.
		t.Option.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		t.Option.Sentinel.TLSConfig = t.Option.TLSConfig
	}
	if s.unix {
		return s.unixTarget(t, hosts, path, hasPath)
	}
	var err error
	if t.Addrs, err = s.hosts(hosts); err != nil {
		return Target{}, err
	}
	return t, s.path(&t.Option, path)
}

// credentials parses "user:pass" or ":pass".
func credentials(text string) (user, pass string, err error) {
	user, pass, _ = strings.Cut(text, ":")
	u, errU := url.PathUnescape(user)
	p, errP := url.PathUnescape(pass)
	switch {
	case errU != nil || errP != nil:
		return "", "", errors.New("invalid percent-encoding in the user or password")
	case p == "":
		return "", "", errors.New("no password before @; write :pass@ for a password without a user")
	case strings.ContainsAny(pass, "@"):
		return "", "", errors.New("an @ in the password must be written %40")
	}
	return u, p, nil
}

// parameters parses the query. Each form has its own keys.
func (s scheme) parameters(o *rueidis.ClientOption, query string) error {
	for pair := range strings.SplitSeq(query, "&") {
		key, raw, ok := strings.Cut(pair, "=")
		value, err := url.QueryUnescape(raw)
		if !ok || err != nil {
			return errors.New("malformed parameter after ?")
		}
		switch {
		case key == "db" && s.unix:
			if o.SelectDB, err = database(value); err != nil {
				return err
			}
		case key == "sentinel_username" && s.mode == Sentinel:
			o.Sentinel.Username = value
		case key == "sentinel_password" && s.mode == Sentinel:
			o.Sentinel.Password = value
		default:
			return errors.New("unknown parameter after ?")
		}
	}
	return nil
}

// hosts parses the list of hosts and adds default ports.
func (s scheme) hosts(text string) ([]string, error) {
	list := strings.Split(text, ",")
	if s.mode == Single && len(list) > 1 {
		return nil, errors.New("more than one host; use redis+sentinel:// or redis+cluster:// for several")
	}
	if len(list) > maxHosts {
		return nil, fmt.Errorf("more than %d hosts", maxHosts)
	}
	for i, h := range list {
		host, port, err := splitHostPort(h, s.port)
		if err != nil {
			return nil, fmt.Errorf("host %d of %d: %w", i+1, len(list), err)
		}
		list[i] = net.JoinHostPort(host, port)
	}
	return list, nil
}

func splitHostPort(text, defaultPort string) (host, port string, err error) {
	host, port = text, defaultPort
	if i := strings.LastIndexByte(text, ':'); i >= 0 && !strings.HasSuffix(text, "]") {
		host, port = text[:i], text[i+1:]
	}
	bracketed := strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]")
	if bracketed {
		host = host[1 : len(host)-1]
	}
	switch {
	case host == "":
		return "", "", errors.New("no host name")
	case bracketed != strings.Contains(host, ":") || strings.ContainsAny(host, "[]%\\\"'<>"):
		return "", "", errors.New("not a host name or address; IPv6 addresses must be in brackets")
	}
	if bracketed && net.ParseIP(host) == nil {
		return "", "", errors.New("not an IPv6 address")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || port[0] == '+' {
		return "", "", errors.New("the port is not a number from 1 to 65535")
	}
	return host, strconv.FormatUint(n, 10), nil
}

// path parses the part after the hosts: the database, preceded by the name of the master for
// Sentinels. A Cluster has only one database.
func (s scheme) path(o *rueidis.ClientOption, path string) error {
	if s.mode == Sentinel {
		name, rest, _ := strings.Cut(path, "/")
		set, err := url.PathUnescape(name)
		if err != nil || set == "" {
			return errors.New("missing master name after the hosts")
		}
		o.Sentinel.MasterSet, path = set, rest
	}
	db, err := database(path)
	if err != nil {
		return err
	}
	if s.mode == Cluster && db != 0 {
		return errors.New("a Cluster has only database 0")
	}
	o.SelectDB = db
	return nil
}

// database parses the number of a database. Pub/sub does not depend on it, but a user may be
// allowed to select only a certain one.
func database(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || text[0] == '+' {
		return 0, errors.New("the database is not a number from 0 to 65535")
	}
	return int(n), nil
}

func (s scheme) unixTarget(t Target, host, path string, hasPath bool) (Target, error) {
	file, err := url.PathUnescape(path)
	if host != "" || !hasPath || file == "" || err != nil || strings.ContainsRune(file, 0) {
		return Target{}, errors.New("not the absolute path of a socket")
	}
	t.Addrs = []string{"/" + file}
	t.Option.DialCtxFn = func(ctx context.Context, addr string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
		return d.DialContext(ctx, "unix", addr)
	}
	return t, nil
}
