package app

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/auth/jwtauth"
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

// secrets returns the secrets that sign requests.
func (w *Webhook) secrets(log *slog.Logger) ([]string, error) {
	if len(w.SecretFiles) == 0 {
		return w.Client.Secrets, nil
	}
	if len(w.Client.Secrets) > 0 {
		return nil, usage("unset one of them", "--webhook-secret-file and IGNIS_WEBHOOK_SECRET are both set")
	}
	var secrets []string
	for _, name := range w.SecretFiles {
		text, err := ReadSecretFile(name, maxWebhookSecret, func(os.FileMode) {
			log.Warn("every user of this machine can read the secret of the webhook", "file", name)
		})
		if err != nil {
			return nil, usage("name a file that this user can read", "--webhook-secret-file: %w", err)
		}
		secrets = append(secrets, string(bytes.TrimSpace(text)))
	}
	return secrets, nil
}

// setWebhook creates the client of the endpoint and sets the callbacks that tell it of events.
func (a *App) setWebhook(cfg *ignis.Config) error {
	w := a.cfg.Webhook
	if !w.enabled() {
		return nil
	}
	var err error
	if w.Client.Secrets, err = w.secrets(a.log); err != nil {
		return err
	}
	w.Client.Info, w.Client.Logger = clientInfo, a.log
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

// rotate replaces the secrets of the webhook if they have changed.
func (a *App) rotate(secrets []string) error {
	a.rotating.Lock()
	defer a.rotating.Unlock()
	if a.hooks == nil || slices.Equal(secrets, a.hookSecrets) {
		return nil
	}
	if err := a.hooks.Rotate(secrets); err != nil {
		return usage("ignis accepts whsec_ followed by 24 to 64 bytes in base64", "--webhook-secret-file: %w", err)
	}
	a.hookSecrets = secrets
	a.log.Info("the secrets of the webhook have changed", "secrets", len(secrets))
	return nil
}

// secretInterval is the time between two reads of the files with secrets of the webhook.
const secretInterval = 5 * time.Second

// watchSecrets reads the files with secrets of the webhook again until ctx is done. A change
// takes effect when two reads in a row have returned the same text.
func (a *App) watchSecrets(ctx context.Context) {
	ticker := time.NewTicker(secretInterval)
	defer ticker.Stop()
	var last string
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		w := a.policy.Load().webhook
		secrets, err := w.secrets(slog.New(slog.DiscardHandler))
		text := strings.Join(secrets, "\n")
		if err == nil && text == last {
			err = a.rotate(secrets)
		}
		last = text
		if err != nil {
			a.limit.Log(slog.LevelWarn, "the secrets of the webhook could not be read again; the previous ones stay in use", "error", err)
		}
	}
}
