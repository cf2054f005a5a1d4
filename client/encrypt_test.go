package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/seal"
	"github.com/ignis-go/ignis/wire"
)

// An encrypted client talks to this module's server.
func TestEncryptWithServer(t *testing.T) {
	var srv *ignis.Server
	srv, err := ignis.New(ignis.Config{
		Encryption:     ignis.EncryptionRequired,
		EncryptionInfo: "an application's own",
		Authenticate: func(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
			if c.Token != "good" {
				return ignis.Identity{}, ignis.ErrUnauthenticated
			}
			return ignis.Identity{UserID: "ann"}, nil
		},
		OnMessage: func(_ context.Context, c *ignis.Client, m wire.Message) (any, error) {
			return nil, srv.SendLocal(ignis.ToClient(c.ID), m.Event, m.Data)
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error)
	go func() { ran <- srv.Run(ctx) }()
	defer func() { stop(); <-ran }()
	<-srv.Ready()
	s := httptest.NewServer(srv)
	defer s.Close()
	url := "ws" + strings.TrimPrefix(s.URL, "http")

	credentials := map[string]string{"type": "Bearer", "token": "good"}
	c := dial(t, url, client.Config{Encrypt: true, EncryptionInfo: "an application's own", Credentials: credentials})
	defer time.AfterFunc(time.Minute, func() { _ = c.Close() }).Stop() // rather than hang
	for i := range 100 {
		if err := c.Send(ctx, "n", i); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 100 {
		if got, want := receive(t, c), fmt.Sprintf("n %d", i); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
	if c.Connected().ServerPublicKey == "" || c.Connected().Salt == "" {
		t.Errorf("connected as %+v", c.Connected())
	}

	// Without encryption the server does not admit it, and with another info nothing
	// can be decrypted.
	_, err = client.Dial(ctx, url, client.Config{Credentials: credentials})
	if !errors.Is(err, client.ErrAuthentication) {
		t.Errorf("unencrypted: %v", err)
	}
	other := dial(t, url, client.Config{Encrypt: true, Credentials: credentials})
	if err := srv.SendLocal(ignis.ToEveryone(), "x", 1); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Receive(ctx); !errors.Is(err, client.ErrProtocol) {
		t.Errorf("with another key: %v", err)
	}
}

// offer reads the authenticate event of an encrypted client.
func (p *peer) offer(credentials string) string {
	p.t.Helper()
	_, got, ok := p.next()
	m, err := wire.DecodeMessage([]byte(got))
	var data map[string]any
	if !ok || err != nil || m.Event != wire.EventAuthenticate || json.Unmarshal(m.Data, &data) != nil {
		p.fatalf("got %q, want authenticate", got)
	}
	key, _ := data["publicKey"].(string)
	if data["protocol"] != 2.0 {
		p.fatalf("offers protocol %v", data["protocol"])
	}
	delete(data, "publicKey")
	delete(data, "protocol")
	if rest, _ := json.Marshal(data); string(rest) != credentials {
		p.fatalf("credentials are %s, want %s", rest, credentials)
	}
	return key
}

// Dial and Receive reject a server that cannot be trusted or does not encrypt.
func TestEncryptWithBadServer(t *testing.T) {
	accept := func(p *peer) *seal.Key {
		a, err := seal.Accept(p.offer("{}"), "")
		if err != nil {
			p.fatalf("%v", err)
		}
		p.text(`{"event":"connected","data":{"id":"c1","time":"2026-01-31T09:05:07.123Z","serverPublicKey":"` + a.PublicKey + `","salt":"` + a.Salt + `"}}`)
		return a.Key
	}
	other, _ := seal.NewKey(make([]byte, 32))
	message := []byte(`{"event":"x","data":1}`)
	for name, row := range map[string]struct {
		script  func(p *peer)
		dialErr error // of Dial
		err     error // of Receive, after correctly sealed messages
		code    ws.StatusCode
	}{
		"does not encrypt": {func(p *peer) { p.offer("{}"); p.text(authenticated) }, client.ErrNotEncrypted, nil, ws.StatusPolicyViolation},
		"bad public key": {func(p *peer) {
			p.offer("{}")
			p.text(strings.Replace(authenticated, `"id"`, `"serverPublicKey":"AA==","salt":"AA==","id"`, 1))
		}, client.ErrProtocol, nil, ws.StatusPolicyViolation},
		"key of wrong type": {func(p *peer) {
			p.offer("{}")
			p.text(strings.Replace(authenticated, `"id"`, `"serverPublicKey":5,"id"`, 1))
		}, client.ErrProtocol, nil, ws.StatusProtocolError},
		"answers unencrypted": {func(p *peer) {
			p.text(string(accept(p).AppendFrame(nil, message, nil)))
			p.text(string(message))
		}, nil, client.ErrProtocol, ws.StatusPolicyViolation},
		"another's message": {func(p *peer) {
			p.text(string(accept(p).AppendFrame(nil, message, nil)))
			p.text(string(other.AppendFrame(nil, message, nil)))
		}, nil, client.ErrProtocol, ws.StatusPolicyViolation},
		"altered": {func(p *peer) {
			k := accept(p)
			p.text(string(k.AppendFrame(nil, message, nil)))
			p.text(strings.Replace(string(k.AppendFrame(nil, message, nil)), `"ct":"`, `"ct":"AAAA`, 1))
		}, nil, client.ErrProtocol, ws.StatusPolicyViolation},
		"no message inside": {func(p *peer) {
			k := accept(p)
			p.text(string(k.AppendFrame(nil, message, nil)))
			p.text(string(k.AppendFrame(nil, []byte(`hello`), nil)))
		}, nil, client.ErrProtocol, ws.StatusInvalidFramePayloadData},
	} {
		t.Run(name, func(t *testing.T) {
			url := serve(t, func(p *peer) {
				row.script(p)
				p.expectClose(row.code)
			})
			c, err := client.Dial(t.Context(), url, client.Config{Encrypt: true})
			if row.dialErr != nil {
				if !errors.Is(err, row.dialErr) {
					t.Errorf("Dial: %v, want %v", err, row.dialErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if got := receive(t, c); got != "x 1" {
				t.Errorf("got %s", got)
			}
			if _, err := c.Receive(t.Context()); !errors.Is(err, row.err) {
				t.Errorf("Receive: %v, want %v", err, row.err)
			}
		})
	}
}

// The public key is added to any credentials.
func TestEncryptCredentials(t *testing.T) {
	for name, row := range map[string]struct {
		credentials any
		want        string
	}{
		"none":          {nil, `{}`},
		"null":          {json.RawMessage(" null "), `{}`},
		"empty":         {struct{}{}, `{}`},
		"space":         {json.RawMessage(" { } "), `{}`},
		"some":          {map[string]any{"token": "t"}, `{"token":"t"}`},
		"own publicKey": {map[string]any{"publicKey": "old", "token": "}"}, `{"token":"}"}`},
	} {
		t.Run(name, func(t *testing.T) {
			url := serve(t, func(p *peer) {
				if key := p.offer(row.want); len(key) != 88 {
					p.fatalf("the public key is %q", key)
				}
				p.close(ws.StatusCode(wire.CloseAuthFailed), "")
				p.drain()
			})
			if _, err := client.Dial(t.Context(), url, client.Config{Encrypt: true, Credentials: row.credentials}); !errors.Is(err, client.ErrAuthentication) {
				t.Error(err)
			}
		})
	}
	for _, credentials := range []any{"text", 5, []int{1}, true} {
		if _, err := client.Dial(t.Context(), "ws://127.0.0.1:1/ws", client.Config{Encrypt: true, Credentials: credentials}); err == nil || !strings.Contains(err.Error(), "object") {
			t.Errorf("%v: %v", credentials, err)
		}
	}
}
