package app

import (
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/access/enforce"
	"github.com/ignis-go/ignis/internal/acmecert"
	"github.com/ignis-go/ignis/internal/listen"
	"github.com/ignis-go/ignis/internal/logarea"
	"github.com/ignis-go/ignis/internal/loglimit"
	"github.com/ignis-go/ignis/promignis"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/webhook"
)

// App is a server with everything that it needs to run as a program.
type App struct {
	cfg    Config
	base   *slog.Logger // for the loggers of areas
	log    *slog.Logger // of the area program
	server *ignis.Server
	bus    *redisbus.Bus // nil without Redis
	script *script
	dev    *devMode // nil unless in development mode
	policy atomic.Pointer[policy]
	rooms  *enforce.Policy // nil without rules

	// For log lines that any peer can cause. All of them are open while Run runs.
	limits    []*loglimit.Limiter
	limit     *loglimit.Limiter // of limits: for the area program
	httpLimit *loglimit.Limiter // of limits: for the area http

	hooks       *webhook.Client // nil without a webhook
	rotating    sync.Mutex      // guards hookSecrets, and is held while secrets are read again
	hookSecrets []string        // that hooks signs with

	replaced chan struct{} // receives a value after policy has been replaced

	api      *apiHost
	recorder *promignis.Recorder // nil without metrics

	listeners *listen.Listeners // listen while Run runs
	waiting   *waitingRoom
	acme      *acmecert.Manager // nil unless certificates are obtained
}

// New validates the configuration, reads the files that it names and connects the parts.
// It does not listen yet. If c is invalid, the error is an [*Error] with Usage set, or
// matches [redisbus.ErrConfig].
func New(c Config) (*App, error) {
	if err := c.takeSockets(); err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.Server.Logger == nil {
		c.Server.Logger = slog.Default()
	}
	c.setMaxClients()
	a := &App{cfg: c, base: c.Server.Logger, replaced: make(chan struct{}, 1), script: newScript()}
	a.log = logarea.With(a.base, logarea.Program)
	a.limit, a.httpLimit = a.newLimit(logarea.Program), a.newLimit(logarea.HTTP)
	cfg := c.Server
	cfg.Logger = logarea.With(a.base, logarea.Server)
	a.setMetrics(&cfg)
	if err := a.setAuth(&cfg); err != nil {
		return nil, err
	}
	if err := a.setBus(&cfg); err != nil {
		return nil, err
	}
	server, err := ignis.New(cfg)
	if err != nil {
		return nil, usage("ignis serve --help shows the limits", "%w", err)
	}
	a.server = server
	if a.dev != nil {
		a.dev.server = server
	}
	if err := a.setAPI(); err != nil {
		return nil, err
	}
	if err := a.setListeners(); err != nil {
		return nil, err
	}
	return a, nil
}

// setAuth sets the callbacks that decide who may connect, and what clients may do.
func (a *App) setAuth(cfg *ignis.Config) error {
	p, err := newPolicy(&a.cfg, nil, a.base)
	if err != nil {
		return err
	}
	a.policy.Store(p)
	if a.cfg.Dev {
		a.dev = newDevMode(a)
		cfg.Authenticate, cfg.ValidateRooms = a.dev.authenticate, a.dev.validateRooms
		cfg.OnMessage, cfg.Accept = a.dev.relay, a.dev.accept
		return nil
	}
	if err := a.setWebhook(cfg); err != nil {
		return err
	}
	cfg.Authenticate, cfg.ValidateRooms, cfg.Accept = a.authenticate, a.validateRooms, a.accept
	if a.cfg.Webhook.Authenticate {
		cfg.Authenticate, cfg.ValidateRooms = a.hooks.Authenticate, nil
	}
	if a.cfg.Rules != nil {
		return a.setRooms(cfg)
	}
	return nil
}

// newLimit returns a limiter for the log lines of an area.
func (a *App) newLimit(area string) *loglimit.Limiter {
	l := loglimit.New(logarea.With(a.base, area))
	a.limits = append(a.limits, l)
	return l
}

// setBus sets the bus if a Redis is configured.
func (a *App) setBus(cfg *ignis.Config) error {
	if err := a.checkRedis(a.cfg.RedisRequired); err != nil {
		return err
	}
	if a.cfg.Redis.URL == "" {
		if !a.cfg.Dev {
			a.log.Info("no Redis is configured, so this server exchanges no messages with other servers or emitters")
		}
		return nil
	}
	var err error
	if a.bus, err = redisbus.New(a.cfg.Redis); err != nil {
		return err
	}
	cfg.Bus = a.bus
	return nil
}

// checkRedis returns an error if Redis is required but not configured.
func (a *App) checkRedis(required bool) error {
	if required && a.cfg.Redis.URL == "" {
		return usage("set --redis or --redis-file, or leave out --redis-required", "--redis-required: no Redis is configured")
	}
	return nil
}
