package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/ignis-go/ignis/httpapi"
)

// apiKeyCmd contains the commands for keys of the HTTP API.
type apiKeyCmd struct {
	New  apiKeyNewCmd  `cmd:"" default:"withargs" help:"Make a key. This is the default, so the word new can be left out."`
	Hash apiKeyHashCmd `cmd:"" help:"Print the hash of the key on standard input."`
}

// Help returns what --help shows below the summary.
func (apiKeyCmd) Help() string {
	return `A key consists of an ID, a dot and a random secret. The first line of the output is the key, for the program that uses the API. It is shown only once. The rest is an entry for the configuration file of ignis serve, which contains only a hash.

To replace a key, make one with the same ID and add its hash to the entry. Remove the old hash when no program uses the old key. The server applies both changes while it runs.

Examples:

  ignis api-key billing --scope publish --room 'invoice-*'

  ignis api-key hash < /run/secrets/billing`
}

// apiKeyNewCmd makes a key.
type apiKeyNewCmd struct {
	ID    keyID       `arg:"" help:"ID of the key, such as the name of the program that uses it: letters, digits, hyphens and underscores."`
	Scope []scopeName `default:"publish" placeholder:"SCOPE" help:"What the key allows: publish; manage (join, leave, disconnect, revoke); read (lists, counts, state) (${default})."`
	Room  idList      `placeholder:"PATTERN,..." help:"Patterns of the rooms that the key is restricted to, such as team-*; * stands for any characters (no restriction). May be repeated."`
}

// Help returns what --help shows below the summary.
func (apiKeyNewCmd) Help() string { return apiKeyCmd{}.Help() }

// Run prints the key and its entry.
func (c *apiKeyNewCmd) Run(_ context.Context, _ *kong.Context, std *stdio) error {
	key, hash, err := httpapi.NewKey(string(c.ID))
	if err != nil {
		return usage("", "ID: %w", err)
	}
	entry := fmt.Sprintf("api:\n  keys:\n    - id: %s\n      hashes:\n        - %s\n      scopes: [%s]\n",
		yamlText(string(c.ID)), hash, strings.Join(convert[string](c.Scope), ", "))
	if len(c.Room) > 0 {
		entry += "      rooms: [" + strings.Join(convertEach(c.Room, yamlText), ", ") + "]\n"
	}
	if _, err := fmt.Fprintf(std.out, "%s\n\n%s", key, entry); err != nil {
		return err
	}
	_, err = fmt.Fprintln(std.err, "note: the first line is the key, which is not shown again; the rest is for the configuration file of ignis serve")
	return err
}

// yamlText returns a text in quotes, so that YAML takes it for a string.
func yamlText(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		return `""` // a string can always be encoded
	}
	return string(quoted)
}

func convertEach(list []string, f func(string) string) (out []string) {
	for _, text := range list {
		out = append(out, f(text))
	}
	return out
}

// apiKeyHashCmd prints the hash of a key.
type apiKeyHashCmd struct{}

// Help returns what --help shows below the summary.
func (apiKeyHashCmd) Help() string {
	return `The hash is for the list hashes of an entry of api.keys. The key must have been made by ignis api-key or httpapi.NewKey: the hash of a secret that a person has chosen could be guessed.

Example:

  ignis api-key hash < /run/secrets/billing`
}

const (
	// maxAPIKey is the maximum length of a key in bytes.
	maxAPIKey = 256
	// minAPISecret is the minimum length in bytes of the secret in a key. Keys of ignis api-key
	// have 43.
	minAPISecret = 32
)

// Run reads the key and prints its hash.
func (apiKeyHashCmd) Run(ctx context.Context, _ *kong.Context, std *stdio) error {
	text, err := readAll(ctx, std, "the key")
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		return fmt.Errorf("standard input: %w", err)
	}
	key := strings.TrimSpace(string(text))
	if err := checkAPIKey(key); err != nil {
		return usage("ignis api-key ID makes a key", "standard input: %w", err)
	}
	_, err = fmt.Fprintln(std.out, httpapi.HashKey(key))
	return err
}

// checkAPIKey returns an error for a text that cannot be a key. The error does not contain it.
func checkAPIKey(key string) error {
	id, secret, _ := strings.Cut(key, ".")
	printable := strings.Trim(secret, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
	if !keyIDs.MatchString(id) || len(secret) < minAPISecret || len(key) > maxAPIKey || !printable {
		return fmt.Errorf("expected a key: an ID, a dot and a secret of at least %d letters, digits, hyphens and underscores", minAPISecret)
	}
	return nil
}
