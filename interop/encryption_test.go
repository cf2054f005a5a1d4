package interop

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	goclient "github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/internal/redistest"
)

// Clients in JavaScript agree on keys with the server, decrypt what it encrypts and encrypt
// what it decrypts, in order. They exchange messages with a Go client through the server,
// which sends nothing unencrypted.
func TestEncryptedClients(t *testing.T) {
	redis := redistest.Start(t)
	script, err := filepath.Abs("bun/encrypted.js")
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := filepath.Abs("bun/seal.js")
	if err != nil {
		t.Fatal(err)
	}
	for name, run := range map[string][]string{
		"WebCrypto on Node":        {"node", "--experimental-websocket", script, "web"},
		"WebCrypto on Bun":         {bun, script, "web"},
		"the reference's own ECDH": {bun, script, "ecdh"},
	} {
		t.Run(name, func(t *testing.T) {
			s := startIgnis(t, redis, settings{encryption: "required"})
			url := "ws" + strings.TrimPrefix(s.url, "http") + "/ws"
			ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
			defer cancel()
			c, err := goclient.Dial(ctx, url, goclient.Config{Encrypt: true, Credentials: map[string]string{"userId": "go"}})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Join(ctx, "lobby"); err != nil {
				t.Fatal(err)
			}
			const count, back = 200, 50
			other := startEncrypted(t, append(run, url, "other", strconv.Itoa(count), sealer)...)
			if other.said().Connected == "" {
				t.Fatal("not connected")
			}
			for i := range count {
				m, err := c.Receive(ctx)
				var d relayed
				if err != nil || m.Decode(&d) != nil || d != (relayed{"lobby", i, "größer", sender{"other"}}) {
					t.Fatalf("in Go: message %d is %s, %v", i, m.Data, err)
				}
				other.opens(relayed{"lobby", i, "größer", sender{"other"}})
			}
			for i := range back {
				if err := c.Send(ctx, "n", map[string]any{"room": "lobby", "n": i, "text": "\u2028<>"}); err != nil {
					t.Fatal(err)
				}
			}
			for i := range back {
				other.opens(relayed{"lobby", i, "\u2028<>", sender{"go"}})
			}
		})
	}
}

type relayed struct {
	Room string
	N    int
	Text string
	From sender
}

type sender struct{ UserID string }

// encryptedClient is a running bun/encrypted.js.
type encryptedClient struct{ *process }

func startEncrypted(t *testing.T, argv ...string) encryptedClient {
	t.Helper()
	p := start(t, "encrypted client", func(line string) bool { return strings.HasPrefix(line, "@") }, nil, argv...)
	p.exitsAtEOF = true
	return encryptedClient{p}
}

// statement is what the client reports about a message that it received.
type statement struct {
	Connected string
	Opened    *struct {
		Event string
		Data  relayed
	}
	Clear, Failed string
	Closed        int
}

// said returns the next statement, which must not report a failure.
func (c encryptedClient) said() (s statement) {
	c.t.Helper()
	line := c.next()
	if err := json.Unmarshal([]byte(line[1:]), &s); err != nil {
		c.t.Fatalf("got %s: %v", line, err)
	}
	if s.Clear+s.Failed != "" || s.Closed != 0 {
		c.t.Fatalf("got %s", line)
	}
	return s
}

// opens checks that the next statement is about an encrypted message with the wanted data.
func (c encryptedClient) opens(want relayed) {
	c.t.Helper()
	if s := c.said(); s.Opened == nil || s.Opened.Event != "n" || s.Opened.Data != want {
		c.t.Fatalf("got %+v, want %+v", s, want)
	}
}
