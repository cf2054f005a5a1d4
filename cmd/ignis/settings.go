package main

import "github.com/ignis-go/ignis/access"

// settings are the settings of ignis serve. Most of them are a flag, an environment variable
// and a key of the configuration file; package configfile describes the tags.
type settings struct {
	Config string `key:"-" placeholder:"FILE" help:"YAML file with settings. Flags and environment variables take precedence over it. It is read again on SIGHUP and when it changes. See ignis config --help."`

	listenFlags

	Path  string `key:"path" default:"/ws" help:"Path of the WebSocket endpoint (${default})."`
	Redis string `key:"redis.url" secret:"url" either:"redis" placeholder:"URL" help:"Redis that connects this server with others: redis://[user:pass@]host[:6379][/db], rediss:// for TLS, redis+sentinel://host,host/master-name or redis+cluster://host,host. Databases do not separate messages; see --prefix. Without Redis, servers do not exchange messages. Other users of the machine can read arguments, so for a URL with a password use --redis-file or the environment."`
	redisFlags
	RedisRequired bool `key:"redis.required" live:"" help:"Answer 503 at /readyz while messages cannot be exchanged over Redis, so that load balancers send no clients here. Without this, the server is degraded, which /readyz answers with 200. See docs/health.md."`

	tokenFlags
	webhookFlags
	apiFlags

	Rooms []access.Rule `kong:"-" key:"rooms" live:"" help:"Rules that say which rooms clients may join and what they may send to them. Without this section, the claim rooms of the token lists the rooms, and messages from clients are dropped."`

	Dev            bool       `key:"dev" group:"Who may connect" help:"Development mode: anyone may connect as any user and join any room, / serves a page for trying it out, and messages that name a room are relayed to it. Listens only on loopback addresses."`
	AllowedOrigins originList `key:"allowed_origins" live:"" group:"Who may connect" placeholder:"ORIGIN,..." help:"Origins of other hosts from which browsers may connect, such as https://app.example.com; * allows any. The server's own host is always allowed."`

	MaxClients countOrAuto `key:"limits.max_clients" live:"" default:"auto" group:"Limits" placeholder:"N" help:"Maximum number of open connections (${default}: the limit of file descriptors, less a reserve)."`

	MaxClientsPerAddress countOrOff `key:"limits.max_clients_per_address" live:"" default:"4096" group:"Limits" placeholder:"N" help:"Maximum number of open connections from one network address, or IPv6 network of 64 bits (${default}); off for no limit. Behind a proxy, set --trusted-proxies. Loopback addresses are exempt from this and the other limits per address."`
	MaxClientsPerUser    countOrOff `key:"limits.max_clients_per_user" live:"" default:"1000" group:"Limits" placeholder:"N" help:"Maximum number of connections of one user (${default}); off for no limit. Clients with loopback addresses are exempt."`
	UserPolicy           userPolicy `key:"limits.user_policy" live:"" default:"refuse-new" group:"Limits" placeholder:"POLICY" help:"What to do when that limit is exceeded: close the new connection (refuse-new) or the user's oldest one (close-oldest) (${default})."`

	UpgradeRate            countOrOff `key:"limits.upgrade_rate" live:"" default:"5000" group:"Limits" placeholder:"N" help:"Maximum number of new connections per second (${default}); off for no limit."`
	UpgradeBurst           count      `key:"limits.upgrade_burst" live:"" default:"20000" group:"Limits" placeholder:"N" help:"Number of new connections that are accepted at once after a pause (${default})."`
	UpgradeRatePerAddress  countOrOff `key:"limits.upgrade_rate_per_address" live:"" default:"100" group:"Limits" placeholder:"N" help:"Maximum number of new connections per second from one network address (${default}); off for no limit."`
	UpgradeBurstPerAddress count      `key:"limits.upgrade_burst_per_address" live:"" default:"2000" group:"Limits" placeholder:"N" help:"Number of new connections from one network address that are accepted at once after a pause (${default})."`
	AuthFailureRate        countOrOff `key:"limits.auth_failure_rate" live:"" default:"60" group:"Limits" placeholder:"N" help:"Number of times per minute that clients from one network address may fail to authenticate (${default}); off for no limit."`
	AuthFailureBurst       count      `key:"limits.auth_failure_burst" live:"" default:"200" group:"Limits" placeholder:"N" help:"Number of times that clients from one network address may fail to authenticate at once after a pause (${default})."`
	AuthConcurrency        countOrOff `key:"limits.auth_concurrency" default:"256" group:"Limits" placeholder:"N" help:"Maximum number of clients that are authenticated at the same time (${default}); off for no limit."`
	AuthQueue              count      `key:"limits.auth_queue" live:"" default:"4096" group:"Limits" placeholder:"N" help:"Maximum number of clients that wait to be authenticated (${default})."`
	MaxToken               byteSize   `key:"limits.max_token" live:"" default:"8KiB" group:"Limits" placeholder:"SIZE" help:"Maximum length of a token (${default})."`

	MessageRate     countOrOff    `key:"limits.message_rate" live:"" default:"200" group:"Limits" placeholder:"N" help:"Number of messages and other WebSocket frames that a client may send per second (${default}); off for no limit. A client that sends faster is read more slowly and then closed. This and --byte-rate have no effect with --dev."`
	MessageBurst    count         `key:"limits.message_burst" live:"" default:"1000" group:"Limits" placeholder:"N" help:"Number of frames that a client may send at once after a pause (${default})."`
	ByteRate        byteSizeOrOff `key:"limits.byte_rate" live:"" default:"4MiB" group:"Limits" placeholder:"SIZE" help:"Number of bytes that a client may send per second (${default}); off for no limit."`
	ByteBurst       byteSize      `key:"limits.byte_burst" live:"" default:"16MiB" group:"Limits" placeholder:"SIZE" help:"Number of bytes that a client may send at once after a pause (${default})."`
	ThrottleTimeout period        `key:"limits.throttle_timeout" live:"" default:"30s" group:"Limits" placeholder:"TIME" help:"Time after which a client is closed if it keeps sending faster than that (${default})."`
	JoinRate        countOrOff    `key:"limits.join_rate" live:"" default:"20" group:"Limits" placeholder:"N" help:"Number of rooms that a client may ask to join per second (${default}); off for no limit."`
	JoinBurst       count         `key:"limits.join_burst" live:"" default:"256" group:"Limits" placeholder:"N" help:"Number of rooms that a client may ask to join at once after a pause (${default})."`

	MemoryLimit memorySize `key:"limits.memory_limit" default:"auto" group:"Limits" placeholder:"SIZE" help:"Memory budget of the process (${default}: GOMEMLIMIT, or the limit of the container or other control group); off for no limit. Once 80 % of it are used, new connections are refused and the clients with the longest queues are cut off."`

	DefaultRooms      nameList `key:"default_rooms" default:"ws-default,ws-notification" group:"Limits" placeholder:"ROOM,..." help:"Rooms that every client joins (${default}); empty for none."`
	MaxRooms          count    `key:"limits.max_rooms" live:"" default:"128" group:"Limits" placeholder:"N" help:"Maximum number of other rooms that a client may be in (${default})."`
	MaxPayload        byteSize `key:"limits.max_payload" default:"128KiB" group:"Limits" placeholder:"SIZE" help:"Maximum size of a message from a client (${default})."`
	MaxMessage        byteSize `key:"limits.max_message" default:"1MiB" group:"Limits" placeholder:"SIZE" help:"Maximum size of a message to clients (${default})."`
	AuthMaxPayload    byteSize `key:"limits.auth_max_payload" default:"8KiB" group:"Limits" placeholder:"SIZE" help:"Maximum size of a message from an unauthenticated client, including its token (${default})."`
	AuthMaxFrames     count    `key:"limits.auth_max_frames" default:"64" group:"Limits" placeholder:"N" help:"Maximum number of WebSocket frames from an unauthenticated client (${default})."`
	AuthMaxMistakes   count    `key:"limits.auth_max_mistakes" live:"" default:"8" group:"Limits" placeholder:"N" help:"Maximum number of unexpected messages from an unauthenticated client (${default})."`
	BackpressureLimit byteSize `key:"limits.backpressure_limit" default:"1MiB" group:"Limits" placeholder:"SIZE" help:"Maximum size of all messages waiting for a slow client (${default})."`

	SlowClients slowPolicy `key:"limits.slow_clients" default:"disconnect" group:"Limits" placeholder:"POLICY" help:"What to do when that limit is exceeded: disconnect the client, drop the new message (drop-newest), drop waiting messages (drop-oldest), or keep only the latest message of each key (latest) (${default})."`

	AuthTimeout       period      `key:"limits.auth_timeout" default:"5s" group:"Limits" placeholder:"TIME" help:"Time within which a client must send its credentials (${default})."`
	HeartbeatInterval period      `key:"limits.heartbeat_interval" default:"30s" group:"Limits" placeholder:"TIME" help:"Time between checks for silent clients (${default})."`
	HeartbeatTimeout  period      `key:"limits.heartbeat_timeout" default:"90s" group:"Limits" placeholder:"TIME" help:"Time after which a client that sends no messages, not even heartbeats, is closed (${default})."`
	WriteTimeout      period      `key:"limits.write_timeout" default:"30s" group:"Limits" placeholder:"TIME" help:"Time after which a client is disconnected if it reads none of the data waiting for it (${default})."`
	BehindTimeout     period      `key:"limits.behind_timeout" default:"60s" group:"Limits" placeholder:"TIME" help:"Time after which a client is closed if the server stopped reading from it because too many of its messages are waiting to be handled (${default})."`
	IdleTimeout       periodOrOff `key:"limits.idle_timeout" default:"60s" group:"Limits" placeholder:"TIME" help:"Time after which a client that does not answer pings is disconnected (${default}); off disables pings."`
	ShutdownTimeout   period      `key:"limits.shutdown_timeout" default:"10s" group:"Limits" placeholder:"TIME" help:"Maximum time for a graceful shutdown (${default}). After a drain, it limits the time for what is left."`

	DrainDelay       periodOrOff  `key:"limits.drain_delay" live:"" default:"off" group:"Limits" placeholder:"TIME" help:"Time between SIGTERM and the first client that is closed (${default}). Meanwhile /readyz answers 503, but clients are served and accepted, so that load balancers can notice it. With Kubernetes, use 5s. SIGINT ends the server without this delay and the window."`
	DrainWindow      periodOrAuto `key:"limits.drain_window" live:"" default:"auto" group:"Limits" placeholder:"TIME" help:"Time in which all clients are closed after that, evenly spread (${default}: 30s for 1000 clients or more, and shorter in proportion for fewer); off closes them all immediately, for a server that no other can replace."`
	MaxConnectionAge periodOrOff  `key:"limits.max_connection_age" live:"" default:"off" group:"Limits" placeholder:"TIME" help:"Time after which a client is closed, so that it connects again and clients spread over all servers (${default}). It differs by up to 10 % between clients."`

	Encryption string `key:"encryption" default:"" enum:"off,optional,required," group:"Transport" placeholder:"off|optional|required" help:"Encryption of messages with a key per client: off, optional (for clients that send a public key) or required (off; with --dev, optional). It does not replace TLS."`

	Compress bool `key:"compress" group:"Transport" help:"Compress messages of at least 256 bytes for clients that offer it (permessage-deflate), once per message, not once per client. Saves bandwidth, but uses CPU time."`
	PlainIO  bool `key:"plain_io" name:"plain-io" group:"Transport" help:"Do not use epoll, which only Linux has. Each client then needs more memory and CPU time. Use this only if epoll causes problems."`

	LogFormat string `key:"log.format" default:"text" enum:"text,json" group:"Log" placeholder:"text|json" help:"Format of the log, which is written to standard error (${default})."`
	LogLevel  string `key:"log.level" live:"" default:"" enum:"debug,info,warn,error," group:"Log" placeholder:"LEVEL" help:"Minimum level of log messages: debug, info, warn or error (info; with --dev, warn)."`

	LogLevels areaLevels `key:"log.levels" live:"" group:"Log" placeholder:"AREA=LEVEL,..." help:"Levels of areas that differ from --log-level, such as redis=debug,webhook=warn; in a file, a mapping. Areas are program, server, redis, webhook, tokens, access, listen and http. See docs/logs.md."`

	metricsFlags
}
