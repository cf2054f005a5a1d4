package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/alecthomas/kong"

	"github.com/ignis-go/ignis/internal/app"
	"github.com/ignis-go/ignis/internal/configfile"
	"github.com/ignis-go/ignis/internal/doctor"
	"github.com/ignis-go/ignis/internal/filewatch"
	"github.com/ignis-go/ignis/redisbus"
)

// doctorCmd examines whether a server would work with its settings.
type doctorCmd struct {
	settings
	Clients   count  `key:"-" placeholder:"N" help:"Planned number of clients of this server (the value of --max-clients, or 10000)."`
	PublicURL string `key:"-" name:"public-url" placeholder:"URL" help:"Address that clients use, such as wss://example.com/ws. The server must be running there."`
	Idle      period `key:"-" placeholder:"TIME" help:"Time for which a connection to the public URL stays open without messages, to find proxies that close idle connections (not examined); 90s is more than the usual timeout of a minute."`
	Token     string `key:"-" placeholder:"TOKEN" help:"Token for that connection. By default one for the user ignis-doctor is signed, if the settings contain a secret. Other users of the machine can read arguments, but not the environment."`
	TokenFile string `key:"-" name:"token-file" placeholder:"FILE" help:"File with that token."`
	JSON      bool   `key:"-" name:"json" help:"Print a JSON object."`
	Timeout   period `key:"-" default:"10s" placeholder:"TIME" help:"Maximum time for each check (${default})."`
}

// Help returns the text that --help shows below the summary.
func (doctorCmd) Help() string {
	return `Run it with the same flags, variables and file as ignis serve, as the same user, and on the machine or in the container where the server runs. It changes nothing in Redis, and sends no request to the webhook. It does not need a running server, except for --public-url.

Each line is the result of a check: ok, warn (works, but not under all circumstances), fail (does not work) or skip (not examined). The line below says what to do. docs/doctor.md explains each check.

Exit codes: 0 no check failed; 1 at least one failed; 2 usage error.

Examples:

  ignis doctor --config ignis.yaml --clients 20000

  ignis doctor --config ignis.yaml --public-url wss://example.com/ws --idle 90s`
}

// maxTokenFile is the maximum size of the file with a token in bytes.
const maxTokenFile = 64 << 10

// Run examines everything and prints the findings.
func (c *doctorCmd) Run(ctx context.Context, command *kong.Context, std *stdio) error {
	cfg, err := c.config(command)
	if err != nil {
		return err
	}
	report := doctor.Run(ctx, cfg)
	write := report.WriteText
	if c.JSON {
		write = report.WriteJSON
	}
	if err := write(std.out); err != nil {
		return err
	}
	if report.Failed > 0 {
		return fmt.Errorf("%d of %d checks failed", report.Failed, len(report.Findings))
	}
	return nil
}

// config returns what to examine. It returns an error only for a usage error: settings that
// cannot be used are findings.
func (c *doctorCmd) config(command *kong.Context) (doctor.Config, error) {
	cfg := doctor.Config{
		Clients: int(c.Clients), PublicURL: c.PublicURL, Idle: time.Duration(c.Idle), Timeout: time.Duration(c.Timeout),
		Token: c.Token, System: os.DirFS("/"),
	}
	if c.PublicURL != "" {
		if err := doctor.CheckPublicURL(c.PublicURL); err != nil {
			return cfg, usage("", "--public-url: %w", err)
		}
	} else if c.Idle > 0 {
		return cfg, usage("set --public-url", "--idle is for connections to the public URL")
	}
	if c.TokenFile != "" {
		f, err := filewatch.ReadFile(c.TokenFile, maxTokenFile)
		if err != nil {
			return cfg, usage("name a file that this user can read", "--token-file: %w", err)
		}
		cfg.Token = string(bytes.TrimSpace(f.Text))
	}
	e, err := loadSettings(&c.settings, command)
	var problems configfile.Problems
	if err != nil && !errors.As(err, &problems) {
		return cfg, err
	}
	if err == nil {
		cfg.App, cfg.Warnings, err = e.examined()
	}
	cfg.Problems = settingProblems(err)
	if cfg.Clients == 0 {
		cfg.Clients = cfg.App.Server.MaxClients
	}
	return cfg, nil
}

// examined returns the configuration of the server and warnings about it.
func (e *effective) examined() (cfg app.Config, warnings []string, err error) {
	log := slog.New(slog.DiscardHandler)
	if cfg, err = e.appConfig(log); err != nil {
		return cfg, nil, err
	}
	redis, err := e.redisFlags.url(e.Redis, "", func(text string) { warnings = append(warnings, text) })
	if err == nil && redis != "" {
		cfg.Redis = redisbus.Config{URL: redis, Prefix: string(e.Prefix), Logger: log}
		err = cfg.Redis.Check()
	}
	if err != nil {
		err = e.serveError(err)
	}
	return cfg, warnings, err
}

// settingProblems returns the problems that err describes.
func settingProblems(err error) (list []doctor.Problem) {
	if err == nil {
		return nil
	}
	hint := settingsHint
	if e := (*exitError)(nil); errors.As(err, &e) && e.hint != "" {
		hint = e.hint
	}
	var problems configfile.Problems
	if !errors.As(err, &problems) {
		return []doctor.Problem{{Text: err.Error(), Advice: hint}}
	}
	for _, p := range problems {
		list = append(list, doctor.Problem{Text: p.Error(), Advice: hint})
	}
	return list
}
