package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/ignis-go/ignis/httpapi"
	"github.com/ignis-go/ignis/internal/app"
	"github.com/ignis-go/ignis/internal/configfile"
)

// apiFlags are the settings for the HTTP API.
type apiFlags struct {
	APIListen []listenAt `key:"api.listen" name:"api-listen" group:"HTTP API" placeholder:"ADDRESS" help:"Addresses for the HTTP API, in the form of --listen and with the same TLS files. Clients cannot connect to them. Without them, the API is on the addresses of --listen."`
	APIPath   string     `key:"api.path" name:"api-path" default:"/api" group:"HTTP API" placeholder:"PATH" help:"Path of the HTTP API (${default})."`
	APIKeys   []apiKey   `kong:"-" key:"api.keys" live:"" help:"Keys of the HTTP API. Without keys, there is no API. ignis api-key makes a key and prints its entry."`
}

// apiKey describes a key of the HTTP API.
type apiKey struct {
	ID     keyID         `key:"id" required:"" help:"First part of the key, before the dot. It names the key in the log."`
	Hashes []keyHash     `key:"hashes" required:"" help:"Hashes of the keys with this ID. While a key is being replaced, there are two."`
	Scopes []scopeName   `key:"scopes" required:"" help:"What the key allows: publish; manage (join, leave, disconnect, revoke); read (lists, counts, state)."`
	Rooms  []roomPattern `key:"rooms" help:"Patterns of the rooms that the key is restricted to, such as team-*; * stands for any characters (no restriction)."`
	Rate   countOrOff    `key:"rate" default:"10000" help:"Requests and messages per second that this instance accepts with the key; off for no limit."`
	Burst  count         `key:"burst" help:"Requests and messages that are accepted at once after a pause (as many as in a second)."`
}

// keyID is the ID of a key.
type keyID string

const keyIDPattern = "^[A-Za-z0-9_-]{1,64}$"

var keyIDs = regexp.MustCompile(keyIDPattern)

// UnmarshalText checks the characters.
func (k *keyID) UnmarshalText(text []byte) error {
	if !keyIDs.Match(text) {
		return fmt.Errorf("expected 1 to 64 letters, digits, hyphens and underscores, but got %.80q", text)
	}
	*k = keyID(text)
	return nil
}

// Syntax implements [configfile.Scalar].
func (keyID) Syntax() configfile.Syntax {
	return configfile.Syntax{Type: "string", Pattern: keyIDPattern}
}

// keyHash is the hash of a key.
type keyHash string

const keyHashPattern = "^sha256:[0-9A-Fa-f]{64}$"

var keyHashes = regexp.MustCompile(keyHashPattern)

// UnmarshalText checks the form. The error does not contain the text, which may be a key.
func (h *keyHash) UnmarshalText(text []byte) error {
	if !keyHashes.Match(text) {
		return errors.New("expected sha256: and 64 hexadecimal digits; ignis api-key hash prints the hash of a key")
	}
	*h = keyHash(text)
	return nil
}

// Syntax implements [configfile.Scalar].
func (keyHash) Syntax() configfile.Syntax {
	return configfile.Syntax{Type: "string", Pattern: keyHashPattern}
}

// scopeName is a scope of a key.
type scopeName string

var scopeNames = []string{string(httpapi.ScopePublish), string(httpapi.ScopeManage), string(httpapi.ScopeRead)}

// UnmarshalText accepts what Syntax lists.
func (s *scopeName) UnmarshalText(text []byte) error {
	for _, name := range scopeNames {
		if name == string(text) {
			*s = scopeName(name)
			return nil
		}
	}
	return fmt.Errorf("expected %s, but got %.40q", strings.Join(scopeNames, ", "), text)
}

// Syntax implements [configfile.Scalar].
func (scopeName) Syntax() configfile.Syntax {
	return configfile.Syntax{Type: "string", Enum: scopeNames}
}

// roomPattern is a pattern of names of rooms.
type roomPattern string

// UnmarshalText accepts all texts that are not empty.
func (p *roomPattern) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errors.New("expected the name of a room, or a pattern such as team-*")
	}
	*p = roomPattern(text)
	return nil
}

// Syntax implements [configfile.Scalar].
func (roomPattern) Syntax() configfile.Syntax {
	return configfile.Syntax{Type: "string", Pattern: "."}
}

// config returns the configuration of the API. The addresses use the settings of l.
func (f *apiFlags) config(l *listenFlags) (app.API, error) {
	api := app.API{Path: f.APIPath, Listen: l.addresses(f.APIListen)}
	entries := make(map[keyID]int)
	for i, k := range f.APIKeys {
		path := fmt.Sprintf("api.keys[%d]", i)
		if first, ok := entries[k.ID]; ok {
			return api, &keyError{path + ".id", fmt.Sprintf("api.keys[%d] has the same ID; put all hashes of a key into one entry", first)}
		}
		entries[k.ID] = i
		key := k.config()
		if err := httpapi.CheckKeys([]httpapi.Key{key}); err != nil {
			return api, &keyError{path, strings.TrimPrefix(err.Error(), "httpapi: ")}
		}
		api.Keys = append(api.Keys, key)
	}
	return api, nil
}

func (k *apiKey) config() httpapi.Key {
	return httpapi.Key{
		ID: string(k.ID), Hashes: convert[string](k.Hashes), Scopes: convert[httpapi.Scope](k.Scopes), Rooms: convert[string](k.Rooms),
		Rate: float64(k.Rate), Burst: int(k.Burst),
	}
}

// convert returns the texts of a list as another type.
func convert[To, From ~string](list []From) (out []To) {
	for _, text := range list {
		out = append(out, To(text))
	}
	return out
}
