package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/emitter/httppublisher"
	"github.com/ignis-go/ignis/internal/filewatch"
)

// apiKeyVariable is the environment variable with the key for --url.
const apiKeyVariable = variablePrefix + "_API_KEY"

// throughAPI are the flags for sending through the HTTP API.
type throughAPI struct {
	URL        string `name:"url" placeholder:"URL" help:"HTTP API of a server to send through, instead of Redis, such as https://rt.example.com/api."`
	APIKeyFile string `name:"api-key-file" placeholder:"FILE" help:"File with the key for --url, which needs the scope publish. Alternatively, set $$IGNIS_API_KEY to the key itself."`
}

// publisher returns the publisher for --url.
func (f *throughAPI) publisher(std *stdio, timeout time.Duration) (emitter.Publisher, error) {
	key, err := f.key(std)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(f.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, usage("", "--url: expected the URL of an HTTP API, such as https://rt.example.com/api")
	}
	if u.Scheme == "http" && !isLocal(u.Hostname()) {
		std.warn("the key and the event are sent without encryption; use https in --url")
	}
	p, err := httppublisher.New(httppublisher.Config{URL: f.URL, Key: key, Client: &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the key is for this host
	}})
	if err != nil {
		return nil, usage("ignis api-key ID makes a key", "--url: %s", strings.TrimPrefix(err.Error(), "httppublisher: "))
	}
	return p, nil
}

// isLocal reports whether a host is this machine.
func isLocal(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

// key returns the key for --url.
func (f *throughAPI) key(std *stdio) (string, error) {
	key := os.Getenv(apiKeyVariable)
	if f.APIKeyFile != "" {
		if key != "" {
			return "", usage("unset one of them", "--api-key-file and %s are both set", apiKeyVariable)
		}
		file, err := filewatch.ReadFile(f.APIKeyFile, maxAPIKey+2) // with a line break
		if err != nil {
			return "", usage("name a file with a key, which this user can read", "--api-key-file: %w", err)
		}
		if file.Public() {
			std.warn("every user of this machine can read the file in --api-key-file")
		}
		key = string(file.Text)
	}
	key = strings.TrimSpace(key)
	switch {
	case key == "" && f.APIKeyFile != "":
		return "", usage("ignis api-key ID makes a key", "--api-key-file: the file is empty")
	case key == "":
		return "", usage("set --api-key-file or "+apiKeyVariable+"; ignis api-key ID makes a key", "--url: the HTTP API requires a key")
	case strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", usage("write only the key to it, the first line that ignis api-key prints", "the key for --url contains characters that no key has, such as a line break")
	}
	return key, nil
}

// apiError adds the exit code and the hint to an error from sending through the HTTP API.
func apiError(err error, timeout time.Duration) error {
	var answer *httppublisher.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, emitter.ErrMessage):
		return usage("", "%w", err)
	case errors.As(err, &answer):
		return &exitError{exitFailed, err, answerHint(answer)}
	case errors.Is(err, context.DeadlineExceeded):
		return &exitError{exitFailed, fmt.Errorf("no answer from the HTTP API within %v; the event may have been sent", timeout), "is --url correct? --timeout waits longer"}
	}
	return &exitError{exitFailed, err, "is a server running there, and does --url have its host and port, and http or https as the server expects?"}
}

// problemHints say what to do about the problems of the HTTP API, by their names.
var problemHints = map[string]string{
	"unauthorized":            "is the key in --api-key-file or IGNIS_API_KEY the one whose hash is in api.keys of the server?",
	"forbidden":               "use a key with the scope publish; if api.keys restricts it to rooms, it can only send to these",
	"not-found":               "does the path in --url equal api.path of the server?",
	"rate-limited":            "wait, or raise rate of the key in api.keys of the server",
	"too-many-failures":       "find the program at this address that uses a wrong key, and wait two minutes",
	"overloaded":              "the server has too many requests; try again later",
	"not-running":             "the server is starting or shutting down; try again, or use another server",
	"bus-unavailable":         "the server cannot reach Redis; try again when its /readyz answers 200",
	"idempotency-unavailable": "the server cannot reach Redis; try again when its /readyz answers 200",
	"too-large":               "raise --max-message of the server, or send less",
}

// answerHint returns what to do about an answer of the HTTP API, or of what is in front of it.
func answerHint(e *httppublisher.Error) string {
	if name := strings.TrimPrefix(e.Type, "urn:ignis:problem:"); e.Type != "" {
		return problemHints[name]
	}
	switch {
	case e.Status == http.StatusNotFound, e.Status == http.StatusMethodNotAllowed:
		return "there is no HTTP API at --url: does its path equal api.path of the server (/api), and does the server have keys (api.keys)?"
	case e.Status >= 300 && e.Status < 400:
		return "the address redirects; set --url to the address that it redirects to"
	case e.Status >= 500:
		return "the answer does not come from the HTTP API but from a proxy; is a server running behind it?"
	}
	return "the answer does not come from the HTTP API; is --url its address?"
}
