package app

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/listen"
	"github.com/ignis-go/ignis/redisbus"
)

// quiet returns the configuration of a server that logs nothing.
func quiet() ignis.Config { return ignis.Config{Logger: slog.New(slog.DiscardHandler)} }

func textLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// on returns the configuration of listeners without TLS.
func on(addresses ...string) (c listen.Config) {
	for _, text := range addresses {
		var a listen.Address
		if err := a.UnmarshalText([]byte(text)); err != nil {
			panic(err)
		}
		c.Addresses = append(c.Addresses, a)
	}
	return c
}

// development returns the configuration of a server in development mode.
func development() Config {
	return Config{Listen: on("127.0.0.1:0"), Path: "/ws", Dev: true, Server: quiet()}
}

// production returns the configuration of a server that accepts tokens.
func production() Config {
	return Config{Listen: on("127.0.0.1:0"), Path: "/ws", JWTSecret: []byte(strings.Repeat("s", 32)), Server: quiet()}
}

func TestConfig(t *testing.T) {
	for name, test := range map[string]struct {
		config func() Config
		change func(*Config)
		want   string // text of the error; "" for none
		hint   string
	}{
		"development":               {development, func(*Config) {}, "", ""},
		"production":                {production, func(*Config) {}, "", ""},
		"timeouts by default":       {production, func(c *Config) { c.Server.HeartbeatInterval = time.Second }, "", ""},
		"production for everyone":   {production, func(c *Config) { c.Listen = on(":0") }, "", ""},
		"development on localhost":  {development, func(c *Config) { c.Listen = on("localhost:0") }, "", ""},
		"development for everyone":  {development, func(c *Config) { c.Listen = on(":8080") }, "does not listen on :8080", "127.0.0.1"},
		"development on the LAN":    {development, func(c *Config) { c.Listen = on("192.0.2.1:0") }, "does not listen on", "127.0.0.1"},
		"development with secret":   {development, func(c *Config) { c.JWTSecret = []byte("x") }, "a JWT secret is configured", "leave out --dev"},
		"development with file":     {development, func(c *Config) { c.JWTSecretFile = "x" }, "a JWT secret is configured", "leave out --dev"},
		"development with origins":  {development, func(c *Config) { c.AllowedOrigins = []string{"*"} }, "--allowed-origins", "leave out"},
		"two secrets":               {production, func(c *Config) { c.JWTSecretFile = "x" }, "--jwt-secret-file and IGNIS_JWT_SECRET are both set", "unset one"},
		"no authenticator":          {production, func(c *Config) { c.JWTSecret = nil }, "no authenticator", "--jwt-secret-file"},
		"a short secret":            {production, func(c *Config) { c.JWTSecret = c.JWTSecret[1:] }, "IGNIS_JWT_SECRET: expected a secret of 32 bytes or more, but it has 31", "openssl"},
		"a long secret":             {production, func(c *Config) { c.JWTSecret = bytes.Repeat([]byte("x"), maxSecret+1) }, "IGNIS_JWT_SECRET: expected a secret of 65536 bytes or less, but it has more", "openssl"},
		"no address":                {production, func(c *Config) { c.Listen.Addresses = nil }, "--listen: ", ""},
		"no path":                   {production, func(c *Config) { c.Path = "" }, "--path: ", ""},
		"a URL as path":             {production, func(c *Config) { c.Path = "/ws?x=1" }, "--path: ", ""},
		"the path of a probe":       {production, func(c *Config) { c.Path = "/readyz" }, "--path: /readyz is taken", ""},
		"the path of another probe": {production, func(c *Config) { c.Path = "/startupz" }, "--path: /startupz is taken", ""},
		"the path of the client":    {production, func(c *Config) { c.Path = "/ignis.js" }, "--path: /ignis.js is taken", ""},
		"Redis that is not there":   {production, func(c *Config) { c.RedisRequired = true }, "--redis-required: no Redis is configured", "--redis"},
		"metrics for everyone":      {production, func(c *Config) { c.Metrics.Listen = ":0" }, "", ""},
		"metrics nowhere":           {production, func(c *Config) { c.Metrics.Listen = "9464" }, "--metrics-listen: expected host:port", ""},
		"profiles nowhere":          {production, func(c *Config) { c.Metrics.Profiles = true }, "--pprof: ", "--metrics-listen"},
		"profiles for everyone":     {production, func(c *Config) { c.Metrics = Metrics{Listen: ":9464", Profiles: true} }, "only on a loopback address", "leave out --pprof"},
		"profiles on the LAN":       {production, func(c *Config) { c.Metrics = Metrics{Listen: "192.0.2.1:9464", Profiles: true} }, "not on 192.0.2.1:9464", "leave out --pprof"},
		"profiles on loopback":      {production, func(c *Config) { c.Metrics = Metrics{Listen: "[::1]:9464", Profiles: true} }, "", ""},
		"development with metrics":  {development, func(c *Config) { c.Metrics.Listen = ":9464" }, "--metrics-listen cannot be :9464", "127.0.0.1"},
		"the path of the page":      {development, func(c *Config) { c.Path = "/dev/x" }, "--path: /dev/x is taken", ""},
		"the page's in production":  {production, func(c *Config) { c.Path = "/" }, "", ""},
		"a short heartbeat timeout": {production, func(c *Config) { c.Server.HeartbeatTimeout, c.Server.HeartbeatInterval = 1, 2 }, "--heartbeat-timeout", "once per"},
		"a limit below zero":        {production, func(c *Config) { c.Server.MaxRooms = -1 }, "MaxRooms must not be negative", "ignis serve --help"},
	} {
		c := test.config()
		test.change(&c)
		_, err := New(c)
		if test.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		var e *Error
		if !errors.As(err, &e) || !e.Usage || !strings.Contains(err.Error(), test.want) || !strings.Contains(e.Hint, test.hint) {
			t.Errorf("%s: %#v, want %q and the hint %q", name, err, test.want, test.hint)
		}
	}
	c := production()
	c.Redis = redisbus.Config{URL: "localhost:6379"}
	if _, err := New(c); !errors.Is(err, redisbus.ErrConfig) {
		t.Errorf("an invalid Redis URL: %v", err)
	}
}

func TestErrorKeepsItsCause(t *testing.T) {
	cause := errors.New("cause")
	err := usage("advice", "a setting: %w", cause)
	if !errors.Is(err, cause) || err.Error() != "a setting: cause" {
		t.Errorf("got %v", err)
	}
	if got := fmt.Sprint(&Error{Err: cause, Hint: "advice"}); got != "cause" {
		t.Errorf("the text is %q", got)
	}
}
