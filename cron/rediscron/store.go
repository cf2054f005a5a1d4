package rediscron

import (
	"cmp"
	"context"
	"crypto/tls"
	_ "embed" // the scripts
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/internal/redisconn"
	"github.com/ignis-go/ignis/redisbus"
)

// Defaults of a [Config].
const (
	DefaultPrefix  = "ignis:cron"
	DefaultTimeout = 3 * time.Second
)

const (
	// kept is how many claims of a job are remembered. Older instants are not
	// granted.
	kept = 1000
	// unused is how long an unused job is remembered: longer than a year, for jobs
	// that run once a year.
	unused = 400 * 24 * time.Hour
)

var (
	// ErrClosed is returned by calls after Close.
	ErrClosed = errors.New("rediscron: the store is closed")
	// ErrConfig is wrapped by errors about a Config.
	ErrConfig = errors.New("rediscron: invalid configuration")
)

// Config says which Redis to use. Either URL or Redis is required.
type Config struct {
	// URL is the Redis to use, in the forms that redisbus.Config accepts: a single
	// Redis, Sentinels or a Cluster.
	URL string
	// Redis replaces URL for a program that needs more options. Besides URL and Option,
	// its Name, Logger, ProbeInterval and MaxIncoming apply, and its Prefix precedes the
	// one below.
	Redis *redisbus.Config
	// Prefix is the prefix of all keys, after Redis.Prefix. Schedulers with the same
	// Redis, database and prefixes share jobs. Empty means DefaultPrefix.
	Prefix string
	// Node identifies this process in the records of runs: 1 to 128 printable ASCII
	// characters without spaces. Empty means the machine's name and the process ID.
	Node string
	// Timeout limits connecting and each call. Zero means DefaultTimeout.
	Timeout time.Duration
	// Durable says that Redis loses nothing that it has confirmed, in a restart or in
	// a failover. Without it, instants whose grants a restart or failover may have
	// lost are not granted; see the package documentation.
	Durable bool
	// Logger gets a warning about each node that has replicas and may grant an
	// instant that another node grants too; see the package documentation. Nil means
	// the logger of Redis, or slog.Default().
	Logger *slog.Logger
}

// Store is a [cron.Store] in Redis. Its methods may be called concurrently. It
// connects when it is first used, and reconnects after the connection is lost; a call
// that notices the loss fails.
type Store struct {
	cfg      Config
	option   rueidis.ClientOption
	replicas *replicas

	turn    chan struct{} // holds an element while a goroutine connects or uses the fields that follow
	client  rueidis.Client
	left    time.Time // when a client was last replaced
	closed  bool
	leaving sync.WaitGroup // replaced clients that are not yet closed
}

// New returns a store that is not connected yet. The error wraps ErrConfig or
// redisbus.ErrConfig. It contains no secret.
func New(c Config) (*Store, error) {
	c, err := c.prepare()
	if err != nil {
		return nil, err
	}
	option, err := clientOption(c.Redis)
	if err != nil {
		return nil, fmt.Errorf("rediscron: %w", err)
	}
	option.ClusterOption.MaxMovedRedirections = maxRedirects
	s := &Store{cfg: c, replicas: newReplicas(c.Logger, c.Timeout), turn: make(chan struct{}, 1)}
	dial := option.DialCtxFn
	option.DialCtxFn = func(ctx context.Context, addr string, d *net.Dialer, t *tls.Config) (net.Conn, error) {
		conn, err := dial(ctx, addr, d, t)
		if err == nil {
			s.replicas.connected(addr, conn)
		}
		return conn, err
	}
	s.option = option
	return s, nil
}

// clientOption returns the options of a client for the Redis that c names.
func clientOption(c *redisbus.Config) (rueidis.ClientOption, error) {
	if err := c.Check(); err != nil {
		return rueidis.ClientOption{}, err
	}
	target, err := redisconn.NewTarget(c.URL, c.Option)
	if err != nil {
		return rueidis.ClientOption{}, err
	}
	return target.ClientOption(redisconn.Settings{
		Name: c.Name, ProbeTimeout: c.ProbeTimeout, MaxIncoming: c.MaxIncoming,
		ProbeInterval: cmp.Or(c.ProbeInterval, redisbus.DefaultProbeInterval),
	}), nil
}

// prepare returns the configuration with its defaults. In the result, Redis is not nil and
// includes URL.
func (c Config) prepare() (Config, error) {
	redis := redisbus.Config{URL: c.URL}
	if c.Redis != nil {
		if c.URL != "" {
			return c, fmt.Errorf("%w: URL and Redis are both set; want one of them", ErrConfig)
		}
		redis = *c.Redis
	}
	if c.Timeout < 0 {
		return c, fmt.Errorf("%w: Timeout: want a positive duration, or 0 for %v", ErrConfig, DefaultTimeout)
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Prefix == "" {
		c.Prefix = DefaultPrefix
	}
	if strings.ContainsAny(c.Prefix, "{}") || len(c.Prefix) > 128 {
		return c, fmt.Errorf("%w: Prefix: want at most 128 bytes without braces", ErrConfig)
	}
	if c.Node == "" {
		host, _ := os.Hostname()
		c.Node = fmt.Sprintf("%.100s/%d", cmp.Or(host, "unknown"), os.Getpid())
	}
	if len(c.Node) > 128 || strings.ContainsFunc(c.Node, func(r rune) bool { return r < '!' || r > '~' }) {
		return c, fmt.Errorf("%w: Node: want 1 to 128 printable ASCII characters without spaces", ErrConfig)
	}
	if c.Logger == nil {
		c.Logger = redis.Logger
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.Prefix = redis.Prefix + c.Prefix
	redis.ProbeTimeout = c.Timeout
	if redis.Name == "" {
		redis.Name = "ignis-cron"
	}
	c.Redis = &redis
	return c, nil
}

//go:embed claim.lua
var claimText string

//go:embed finish.lua
var finishText string

var (
	claimScript  = rueidis.NewLuaScript(claimText)
	finishScript = rueidis.NewLuaScript(finishText)
)

func (s *Store) state(job string) string  { return s.cfg.Prefix + ":{" + job + "}:state" }
func (s *Store) claims(job string) string { return s.cfg.Prefix + ":{" + job + "}:claims" }

// answer is what claim.lua returns.
type answer struct {
	verdict cron.Verdict
	fence   uint64
	now     time.Time
	last    time.Time
	plan    cron.Plan
}

// none replaces the instant if claim.lua is only to answer a query.
const none = "-1"

func (s *Store) claim(ctx context.Context, job, at, token string, behind bool, plan ...string) (a answer, err error) {
	args := append([]string{
		at, token, s.cfg.Node, flag(behind), flag(s.cfg.Durable),
		strconv.Itoa(kept), strconv.FormatInt(unused.Milliseconds(), 10),
	}, plan...)
	result, err := s.do(ctx, toClaim, func(ctx context.Context, client rueidis.Client) rueidis.RedisResult {
		return claimScript.Exec(ctx, client, []string{s.state(job), s.claims(job)}, args)
	})
	if err != nil {
		return a, err
	}
	list, err := result.ToArray()
	if err != nil {
		return a, fmt.Errorf("rediscron: %w", err)
	}
	var n [4]int64
	for i := range list[:min(len(list), len(n))] {
		if n[i], err = list[i].AsInt64(); err != nil {
			return a, fmt.Errorf("rediscron: the script's answer: %w", err)
		}
	}
	if n[0] < 1 || n[0] > 4 || n[2] == 0 {
		return a, fmt.Errorf("rediscron: unknown verdict %d in the script's answer", n[0])
	}
	a = answer{verdict: cron.Verdict(n[0]), fence: uint64(n[1]), now: time.UnixMicro(n[2])}
	for i, text := range []*string{&a.plan.Schedule, &a.plan.Fingerprint} {
		if i += len(n); i < len(list) {
			*text, _ = list[i].ToString() // the texts are only compared
		}
	}
	if n[3] > 0 {
		a.last = time.Unix(n[3], 0)
	}
	return a, nil
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// Claim claims the run of an instant.
func (s *Store) Claim(ctx context.Context, c cron.Claim) (cron.Grant, error) {
	at, planned := "0", !c.Scheduled.IsZero()
	if planned {
		at = strconv.FormatInt(c.Scheduled.Unix(), 10)
	}
	if c.Scheduled.Nanosecond() != 0 || planned && c.Scheduled.Unix() <= 0 || c.Token == "" || strings.ContainsAny(c.Token, " \n") {
		return cron.Grant{}, errors.New("rediscron: a claim must have a whole second after 1970 and a token without spaces")
	}
	a, err := s.claim(ctx, c.Job, at, c.Token, c.Behind)
	return cron.Grant{Verdict: a.verdict, Fence: a.fence, Now: a.now}, err
}

// Last returns what is known about a job, and Redis' time.
func (s *Store) Last(ctx context.Context, q cron.Query) (cron.State, error) {
	var plan []string
	if q.Begins {
		plan = []string{strconv.FormatInt(int64(q.Ago/time.Second), 10), q.Plan.Schedule, q.Plan.Fingerprint}
	}
	a, err := s.claim(ctx, q.Job, none, "-", true, plan...)
	return cron.State{Last: a.last, Now: a.now, Plan: a.plan}, err
}

// Finish records how a run ended. Runs without an instant are not kept.
func (s *Store) Finish(ctx context.Context, f cron.Finish) error {
	if f.Scheduled.IsZero() {
		return nil
	}
	args := []string{
		strconv.FormatInt(f.Scheduled.Unix(), 10), strconv.FormatUint(f.Fence, 10),
		strconv.Itoa(int(f.Outcome)), strconv.FormatInt(f.Duration.Microseconds(), 10),
	}
	_, err := s.do(ctx, toFinish, func(ctx context.Context, client rueidis.Client) rueidis.RedisResult {
		return finishScript.Exec(ctx, client, []string{s.claims(f.Job)}, args)
	})
	return err
}
