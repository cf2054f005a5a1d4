package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/auth/jwtauth"
	"github.com/ignis-go/ignis/internal/filewatch"
	"github.com/ignis-go/ignis/internal/logarea"
	"github.com/ignis-go/ignis/webhook"
)

// What the webhook can be told.
const (
	TellConnected    = "connected"
	TellJoined       = "joined"
	TellLeft         = "left"
	TellDisconnected = "disconnected"
)

// Webhook configures the HTTP endpoint of the application.
type Webhook struct {
	// Client configures the requests. There is no endpoint if its URL is empty. New sets
	// Info and the logger.
	Client webhook.Config
	// SecretFiles are files with one secret each, instead of Client.Secrets. They are read
	// again when they change.
	SecretFiles []string
	// Authenticate says that the endpoint authenticates clients, instead of tokens.
	Authenticate bool
	// Tell lists the events that the endpoint is told.
	Tell []string
	// TellMessages says that messages of rooms whose rules name the webhook are queued like
	// events. Otherwise they wait for an answer.
	TellMessages bool
}

func (w *Webhook) enabled() bool { return w.Client.URL != "" }

// maxWebhookSecret is the maximum size of a file with a secret in bytes.
const maxWebhookSecret = 1 << 10

// secrets are the secrets of the webhook.
type secrets struct {
	fixed []string
	files *filewatch.Files // instead of fixed; nil if there are none
	log   *slog.Logger
}

// newSecrets returns the secrets of w. It takes the files of old, which may be nil, if they are
// the same, because a pipe can be read only once.
func newSecrets(w *Webhook, old *secrets, log *slog.Logger) *secrets {
	s := &secrets{fixed: w.Client.Secrets, log: log}
	switch {
	case len(w.SecretFiles) == 0:
	case old != nil && old.files != nil && old.files.Named(w.SecretFiles):
		s.files = old.files
	default:
		s.files = filewatch.New(maxWebhookSecret, w.SecretFiles...)
	}
	return s
}

// read returns the current secrets.
func (s *secrets) read() ([]string, error) {
	if s.files == nil {
		return s.fixed, nil
	}
	return s.in(s.files.Read())
}

// in returns the secrets in the contents of the files.
func (s *secrets) in(c filewatch.Contents) (list []string, err error) {
	if c.Err != nil {
		return nil, usage("name a file that this user can read", "--webhook-secret-file: %w", c.Err)
	}
	for i, f := range c.Files {
		if f.Public() {
			s.log.Warn("every user of this machine can read a secret of the webhook", "file", s.files.Name(i), "mode", fmt.Sprintf("%#o", f.Mode.Perm()))
		}
		list = append(list, string(bytes.TrimSpace(f.Text)))
	}
	return list, nil
}

// setWebhook creates the client of the endpoint and sets the callbacks that tell it of events.
func (a *App) setWebhook(cfg *ignis.Config) error {
	w := a.cfg.Webhook
	if !w.enabled() {
		return nil
	}
	var err error
	if w.Client.Secrets, err = a.policy.Load().secrets.read(); err != nil {
		return err
	}
	w.Client.Info, w.Client.Logger = clientInfo, logarea.With(a.base, logarea.Webhook)
	if a.recorder != nil {
		w.Client.Requested = a.recorder.WebhookRequested
	}
	if a.hooks, err = webhook.New(w.Client); err != nil {
		return usage("docs/configuration.md describes the section webhook", "%w", err)
	}
	a.hookSecrets = w.Client.Secrets
	if slices.Contains(w.Tell, TellConnected) {
		cfg.OnConnect = a.hooks.OnConnect
	}
	if slices.Contains(w.Tell, TellJoined) {
		cfg.OnJoin = a.hooks.OnJoin
	}
	if slices.Contains(w.Tell, TellLeft) {
		cfg.OnLeave = a.hooks.OnLeave
	}
	if slices.Contains(w.Tell, TellDisconnected) {
		cfg.OnDisconnect = a.hooks.OnDisconnect
	}
	return nil
}

// clientInfo returns what the webhook learns about a client.
func clientInfo(c *ignis.Client) any {
	var info json.RawMessage
	switch m := c.Metadata.(type) {
	case *jwtauth.Claims:
		info = m.Info
	case *webhook.Metadata:
		info = m.Info
	}
	if info == nil {
		return nil
	}
	return info
}

// reloadSecrets reads the secrets of the webhook and uses them.
func (a *App) reloadSecrets(s *secrets) error {
	if a.hooks == nil {
		return nil
	}
	a.rotating.Lock()
	defer a.rotating.Unlock()
	return a.rotateLocked(s.read())
}

// rotateLocked replaces the secrets of the webhook if they have changed, unless err is not
// nil.
func (a *App) rotateLocked(list []string, err error) error {
	if err != nil || slices.Equal(list, a.hookSecrets) {
		return err
	}
	if err := a.hooks.Rotate(list); err != nil {
		return usage("ignis accepts whsec_ followed by 24 to 64 bytes in base64", "--webhook-secret-file: %w", err)
	}
	a.hookSecrets = list
	a.log.Info("the secrets of the webhook have changed", "secrets", len(list))
	return nil
}

// secretInterval is the time between two reads of the files with secrets of the webhook.
const secretInterval = 5 * time.Second

// watchSecrets reads the files with secrets of the webhook again until ctx is done.
func (a *App) watchSecrets(ctx context.Context) {
	ticker := time.NewTicker(secretInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := a.pollSecrets(); err != nil {
			a.limit.Log(slog.LevelWarn, "the secrets of the webhook could not be read again; the previous ones stay in use", "error", err)
		}
	}
}

// pollSecrets uses the secrets of the webhook if their files have changed.
func (a *App) pollSecrets() error {
	a.rotating.Lock()
	defer a.rotating.Unlock()
	s := a.policy.Load().secrets
	if s.files == nil {
		return nil
	}
	c, change := s.files.Poll()
	if change != filewatch.Changed {
		return nil
	}
	return a.rotateLocked(s.in(c))
}
