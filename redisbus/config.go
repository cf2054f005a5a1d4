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
	DefaultMaxStored     = 64 << 10
	DefaultMaxIncoming   = redisconn.DefaultLimit // 32 MiB, the size of the output buffer at which Redis disconnects a subscriber by default
)

// Config configures a Bus or a Publisher. Exactly one of URL and Option is required. The
// zero value of every other field means its default.
type Config struct {
	// URL is the URL of the Redis:
	//
	//	redis[s]://[user:pass@]host[:6379][/db]
	//	unix://[user:pass@]/path/to/redis.sock[?db=0]
	//	redis[s]+sentinel://[user:pass@]host[:26379],.../master-name[/db]
	//	redis[s]+cluster://[user:pass@]host[:6379],...
	//
	// With rediss, every connection uses TLS 1.2 or later, and the server's certificate
	// is verified for the name that was dialed. In user and pass, the characters
	// @ / ? # : % must be percent-encoded. The credentials are those of Redis itself; if
	// the Sentinels require credentials, append ?sentinel_username=U&sentinel_password=P.
	//
	// Redis pub/sub ignores the database; see Prefix.
	URL string

	// Option is an alternative to URL for a program that already has the options of a
	// Redis client. It is copied; the program's own client is not used. The bus uses the
	// addresses, credentials, TLS, database, dialing and AuthCredentialsFn, and sets the
	// options for caching, retries, pools, replicas and buffers itself. If
	// Sentinel.MasterSet is set, the addresses are those of Sentinels. If
	// ForceSingleClient is set, only the first address is used. Otherwise several
	// addresses are nodes of a Cluster, and a single address is either a node of a Cluster
	// or a single Redis.
	Option *rueidis.ClientOption

	// Prefix is prepended to every channel and pattern, including the heartbeat's. It
	// separates applications that share a Redis: applications with different prefixes do
	// not receive each other's messages, whatever database they use. All servers and
	// emitters of an application must use the same prefix. It has at most 64 printable
	// ASCII characters, except spaces and *?[]\{}; for example "shop:". Empty means no
	// prefix, which is required for exchanging messages with the original Ignis.
	Prefix string

	// Logger receives losses, failed attempts to reconnect, and recoveries, with address
	// and cause. A lasting cause is logged once every ten seconds. Payloads and secrets
	// are never logged. Nil means slog.Default().
	Logger *slog.Logger

	// Name identifies this instance in the log and in Redis' CLIENT LIST: 1 to 64
	// printable ASCII characters without spaces. Empty means DefaultName.
	Name string

	// StartTimeout is how long Run and Dial wait for Redis to become ready. Zero
	// means DefaultStartTimeout.
	StartTimeout time.Duration
	// ProbeInterval is how often the bus checks that the connections work and that
	// the node is still the right one. Zero means DefaultProbeInterval.
	ProbeInterval time.Duration
	// ProbeTimeout is how long Redis may take to reply to a probe or a batch of
	// publishes, to deliver a heartbeat, or to accept a connection, before the connection
	// counts as lost. A dead subscription is noticed within the sum of ProbeInterval and
	// ProbeTimeout. Zero means DefaultProbeTimeout.
	ProbeTimeout time.Duration
	// FlushTimeout is how long Run continues to send accepted envelopes after its context
	// is done. Zero means DefaultFlushTimeout.
	FlushTimeout time.Duration

	// QueueMessages and QueueBytes limit the envelopes that Publish has accepted and
	// Redis has not yet confirmed, and separately those that have arrived and wait
	// for receive. Zero means DefaultQueueMessages and DefaultQueueBytes. The bytes
	// include channels and envelopes. An envelope larger than QueueBytes is never
	// accepted.
	QueueMessages int
	QueueBytes    int

	// QueueAge is how long an accepted envelope is kept while there is no connection. An
	// envelope not sent by then is dropped, counted and logged. QueueAge should be greater
	// than ProbeTimeout, because it may take that long to notice that the connection is
	// lost. Zero means DefaultQueueAge.
	QueueAge time.Duration

	// MaxIncoming is the maximum size in bytes of a message or reply from Redis, including
	// the overhead of the protocol. A larger one closes the connection, as does invalid
	// data. Zero means DefaultMaxIncoming.
	MaxIncoming int

	// MaxStoredCommands is the maximum number of commands, such as revocations, that are
	// stored in Redis at a time, and that are read from it. Beyond it, SendCommands returns
	// ErrTooManyCommands. All instances should use the same value. Zero means
	// DefaultMaxStored.
	MaxStoredCommands int
}

// Check returns an error that wraps ErrConfig if New and Dial would reject c. It does not
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
	if c.MaxStoredCommands < 0 {
		return c, t, fmt.Errorf("%w: MaxStoredCommands: want a positive number, or 0 for %d", ErrConfig, DefaultMaxStored)
	}
	if c.MaxStoredCommands == 0 {
		c.MaxStoredCommands = DefaultMaxStored
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

// settings returns the settings for clients. c must be a result of prepare.
func (c *Config) settings() redisconn.Settings {
	return redisconn.Settings{
		Name: c.Name, ProbeInterval: c.ProbeInterval, ProbeTimeout: c.ProbeTimeout, MaxIncoming: c.MaxIncoming,
	}
}
