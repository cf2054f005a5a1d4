package redisbus

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/internal/redisconn"
)

// Defaults of a Config.
const (
	DefaultName          = "ignis"
	DefaultStartTimeout  = 30 * time.Second
	DefaultProbeInterval = 2 * time.Second
	DefaultProbeTimeout  = 5 * time.Second
	DefaultFlushTimeout  = time.Second
	DefaultQueueMessages = 64 << 10
	DefaultQueueBytes    = 64 << 20
	DefaultQueueAge      = 10 * time.Second
	DefaultMaxIncoming   = redisconn.DefaultLimit // 32 MiB: over it Redis, as it comes, cuts subscribers itself
)

// Config says which Redis to use and how. URL or Option is needed; every other
// field's zero value is its default.
type Config struct {
	// URL names the Redis:
	//
	//	redis[s]://[user:pass@]host[:6379][/db]
	//	unix://[user:pass@]/path/to/redis.sock[?db=0]
	//	redis[s]+sentinel://[user:pass@]host[:26379],.../master-name[/db]
	//	redis[s]+cluster://[user:pass@]host[:6379],...
	//
	// With rediss every connection is over TLS 1.2 or later and the server's
	// certificate is checked against the name that was dialed. In user and pass
	// the characters @ / ? # : % are percent-encoded. Credentials are Redis' own;
	// Sentinels that want some get them as ?sentinel_username=U&sentinel_password=P.
	//
	// Redis' pub/sub ignores the database: see Prefix.
	URL string

	// Option takes the place of URL for a program that has a Redis client's
	// options already. It is copied: the program's own client is neither used
	// nor closed. Addresses, credentials, TLS, database and dialing count, and
	// AuthCredentialsFn; what concerns caching, retries, pools, replicas and buffers
	// is set here. With Sentinel.MasterSet the addresses are Sentinels'; several
	// addresses, or one that says it is a Cluster's, are a Cluster;
	// ForceSingleClient makes the first address a single Redis.
	Option *rueidis.ClientOption

	// Prefix is put in front of every channel and pattern, the heartbeat's too. It separates
	// applications that share a Redis: those with different prefixes hear nothing of each
	// other, whatever database they name. Servers and emitters of one application need the
	// same. At most 64 printable ASCII characters, no spaces and none of *?[]\{}, such as
	// "shop:". Empty: none, which peers that run the original Ignis need.
	Prefix string

	// Logger gets losses, what keeps Redis from coming back, and recoveries, with
	// address and cause; a cause that lasts is repeated once in ten seconds. Never a
	// payload or a secret. Nil: slog.Default().
	Logger *slog.Logger

	// Name is how Redis' CLIENT LIST and the log name this instance: 1 to 64
	// printable ASCII characters without spaces. Empty: DefaultName.
	Name string

	// StartTimeout bounds how long Run (or Dial) waits for Redis to become
	// ready. Zero: DefaultStartTimeout.
	StartTimeout time.Duration
	// ProbeInterval is how often the connections have to show that they work, and
	// the node that it is the right one. Zero: DefaultProbeInterval.
	ProbeInterval time.Duration
	// ProbeTimeout is how long Redis may take to answer a probe or a batch of
	// publishes, to deliver a heartbeat, or to accept a connection, before it counts
	// as gone. So a subscription that is dead is noticed within ProbeInterval and
	// ProbeTimeout together. Zero: DefaultProbeTimeout.
	ProbeTimeout time.Duration
	// FlushTimeout bounds how long Run goes on sending, after its context has
	// ended, what Publish has taken. Zero: DefaultFlushTimeout.
	FlushTimeout time.Duration

	// QueueMessages and QueueBytes bound what Publish has taken and Redis has
	// not yet confirmed, and separately what has arrived and waits for receive.
	// Zero: DefaultQueueMessages and DefaultQueueBytes. The bytes are those of
	// channels and envelopes; an envelope over QueueBytes is never taken.
	QueueMessages int
	QueueBytes    int

	// QueueAge is how long what Publish has taken is kept while there is no connection,
	// since Publish took it. What was not sent by then is dropped, counted and logged. It
	// should be more than ProbeTimeout, because so long it can take to notice that there
	// is none. Zero: DefaultQueueAge.
	QueueAge time.Duration

	// MaxIncoming bounds one message or reply of Redis, in bytes with all that belongs to
	// it. A larger one ends the connection, as anything does that a Redis would not send.
	// Zero: DefaultMaxIncoming.
	MaxIncoming int
}

// Check returns an error that wraps ErrConfig if New and Dial would refuse c. It does not
// connect.
func (c Config) Check() error {
	_, _, err := c.prepare()
	return err
}

// prepare returns the configuration with its defaults, and the target.
func (c Config) prepare() (Config, redisconn.Target, error) {
	t, err := redisconn.NewTarget(c.URL, c.Option)
	if err != nil {
		return c, t, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Name == "" {
		c.Name = DefaultName
	}
	if len(c.Name) > 64 || strings.ContainsFunc(c.Name, func(r rune) bool { return r < '!' || r > '~' }) {
		return c, t, fmt.Errorf("%w: Name: want 1 to 64 printable ASCII characters without spaces", ErrConfig)
	}
	if err := checkPrefix(c.Prefix); err != nil {
		return c, t, fmt.Errorf("%w: Prefix: %w", ErrConfig, err)
	}
	for _, d := range []struct {
		name  string
		value *time.Duration
		zero  time.Duration
	}{
		{"StartTimeout", &c.StartTimeout, DefaultStartTimeout},
		{"ProbeInterval", &c.ProbeInterval, DefaultProbeInterval},
		{"ProbeTimeout", &c.ProbeTimeout, DefaultProbeTimeout},
		{"FlushTimeout", &c.FlushTimeout, DefaultFlushTimeout},
		{"QueueAge", &c.QueueAge, DefaultQueueAge},
	} {
		if *d.value < 0 {
			return c, t, fmt.Errorf("%w: %s: want a positive duration, or 0 for %v", ErrConfig, d.name, d.zero)
		}
		if *d.value == 0 {
			*d.value = d.zero
		}
	}
	if c.QueueMessages < 0 || c.QueueBytes < 0 {
		return c, t, fmt.Errorf("%w: QueueMessages, QueueBytes: want a positive number, or 0 for the default", ErrConfig)
	}
	if c.MaxIncoming < 0 {
		return c, t, fmt.Errorf("%w: MaxIncoming: want a positive number of bytes, or 0 for %d", ErrConfig, DefaultMaxIncoming)
	}
	if c.MaxIncoming == 0 {
		c.MaxIncoming = DefaultMaxIncoming
	}
	if c.QueueMessages == 0 {
		c.QueueMessages = DefaultQueueMessages
	}
	if c.QueueBytes == 0 {
		c.QueueBytes = DefaultQueueBytes
	}
	return c, t, nil
}

// settings are those of a client for c, which prepare has returned.
func (c *Config) settings() redisconn.Settings {
	return redisconn.Settings{
		Name: c.Name, ProbeInterval: c.ProbeInterval, ProbeTimeout: c.ProbeTimeout, MaxIncoming: c.MaxIncoming,
	}
}
