package interop

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/wire"
)

// library is a server in the test process. It does what the program does not: it sends to
// users, broadcasts, and has callbacks that fail.
type library struct {
	*ignis.Server
	t *testing.T
}

// startLibrary starts a server that treats its clients as bun/server.js does.
func startLibrary(t *testing.T, redis *redistest.Server, c settings) (library, *server) {
	t.Helper()
	bus, err := redisbus.New(redisbus.Config{URL: redis.URL()})
	if err != nil {
		t.Fatal(err)
	}
	var srv *ignis.Server
	cfg := ignis.Config{
		Bus:         bus,
		Logger:      slog.New(slog.DiscardHandler),
		AuthTimeout: c.authTimeout,
		// The scripts contain more mistakes than the default limits allow.
		AuthMaxMistakes: 100, AuthMaxFrames: 1000, AuthMaxPayload: wire.DefaultMaxPayload,
		Authenticate: authenticateAsked,
		OnMessage: func(_ context.Context, c *ignis.Client, m wire.Message) (any, error) {
			return nil, srv.SendLocal(ignis.ToClient(c.ID), m.Event, m.Data) // clients only send fences
		},
		ValidateRooms: func(_ context.Context, _ *ignis.Client, rooms []string) ([]string, error) { return rooms, nil },
	}
	if c.handshake != "" {
		cfg.Encryption = ignis.EncryptionRequired
	}
	if c.handshake != "" && c.handshake != handshakeNone {
		cfg.AgreeKeys = func(context.Context, *ignis.Client, ignis.Credentials) (*ignis.Cipher, error) {
			return handshake(c.handshake)
		}
	}
	if srv, err = ignis.New(cfg); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	mux := http.NewServeMux()
	mux.Handle("/ws", srv)
	hs := httptest.NewServer(mux)
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		hs.Close()
	})
	select {
	case <-srv.Ready():
	case <-time.After(patience):
		t.Fatal("the server did not become ready")
	}
	return library{srv, t}, &server{kind: kindIgnis, url: hs.URL, process: &process{}}
}

// authenticateAsked lets a client choose the outcome of its authentication.
func authenticateAsked(ctx context.Context, c ignis.Credentials) (ignis.Identity, error) {
	var asked struct {
		UserID             string
		Refuse, Fail, Hang bool
	}
	if err := c.Decode(&asked); err != nil {
		return ignis.Identity{}, err
	}
	switch {
	case asked.Refuse:
		return ignis.Identity{}, ignis.ErrUnauthenticated
	case asked.Fail:
		return ignis.Identity{}, errors.New("asked to fail")
	case asked.Hang:
		<-ctx.Done()
		return ignis.Identity{}, ctx.Err()
	}
	return ignis.Identity{UserID: asked.UserID}, nil
}

// Outcomes of a handshake. If the outcome is empty, no handshake is required.
const (
	handshakeNone   = "none" // required, but there is no callback
	handshakeRefuse = "refuse"
	handshakeFail   = "fail"
	handshakeAccept = "accept"
)

func handshake(how string) (*ignis.Cipher, error) {
	switch how {
	case handshakeRefuse:
		return nil, nil
	case handshakeFail:
		return nil, errors.New("asked to fail")
	}
	seal := func(message []byte) ([]byte, error) { return message, nil }
	return &ignis.Cipher{ServerPublicKey: "key", Salt: "salt", Seal: seal}, nil
}

// send sends to clients of all servers.
func (l library) send(to ignis.Address, event string, data any, except ...string) {
	l.t.Helper()
	if err := l.Send(l.t.Context(), to, event, data, ignis.Except(except...)); err != nil {
		l.t.Fatal(err)
	}
}
