package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/ignis-go/ignis/internal/listen"
)

// healthCmd asks a probe of a server.
type healthCmd struct {
	URL     string `arg:"" optional:"" default:"http://127.0.0.1:9464/readyz" help:"Probe to ask (${default}). The path is /readyz unless the URL has one. unix:PATH asks over a Unix socket."`
	Timeout period `default:"4s" placeholder:"TIME" help:"Maximum duration (${default})."`
}

// Help returns what --help shows below the summary.
func (healthCmd) Help() string {
	return `For the health check of a container that has neither a shell nor curl. It prints what the probe answers. docs/health.md describes the probes.

Exit codes: 0 the probe answers 200; 1 it answers something else, or the server cannot be reached; 2 usage error.

Examples:

  ignis health

  ignis health http://127.0.0.1:8080/healthz`
}

const hintHealth = "expected a URL such as http://127.0.0.1:9464/readyz, or unix:/run/ignis/ignis.sock"

// maxAnswer is the maximum size in bytes of the answer of a probe that is printed.
const maxAnswer = 16 << 10

// Run asks the probe.
func (c *healthCmd) Run(ctx context.Context, _ *kong.Context, std *stdio) error {
	target, transport, err := c.target()
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, time.Duration(c.Timeout))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return usage(hintHealth, "invalid URL: %w", err)
	}
	response, err := transport.RoundTrip(request) // follows no redirects
	if err != nil {
		return fmt.Errorf("asking %s: %w", c.URL, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("asking %s: %w", c.URL, err)
	}
	if !json.Valid(body) {
		return fmt.Errorf("%s answers %s, but not as a probe of ignis serve does", c.URL, response.Status)
	}
	if _, err := fmt.Fprintln(std.out, oneLine(strings.TrimSpace(string(body)))); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", c.URL, response.Status)
	}
	return nil
}

// target returns the URL to ask, and how to reach it.
func (c *healthCmd) target() (string, *http.Transport, error) {
	transport := &http.Transport{DisableKeepAlives: true}
	var address listen.Address
	if err := address.UnmarshalText([]byte(c.URL)); err == nil && address.Network == listen.Unix {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, listen.Unix, address.Name)
		}
		return "http://localhost/readyz", transport, nil
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", nil, usage(hintHealth, "%q is not the URL of a probe", c.URL)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/readyz"
	}
	return u.String(), transport, nil
}
