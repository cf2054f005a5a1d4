package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/wire"
)

// Which clients serve accepts depends on --encryption.
func TestServeEncryption(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name             string
		flags            []string
		clear, encrypted error
	}{
		{"development", nil, nil, nil},
		{"off", []string{"--encryption", "off"}, nil, client.ErrNotEncrypted},
		{"optional", []string{"--encryption", "optional"}, nil, nil},
		{"required", []string{"--encryption", "required"}, client.ErrAuthentication, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, address := serve(t, nil, append([]string{"--dev"}, row.flags...)...)
			for encrypt, want := range map[bool]error{false: row.clear, true: row.encrypted} {
				c, err := client.Dial(t.Context(), "ws://"+address+"/ws", client.Config{Encrypt: encrypt})
				if !errors.Is(err, want) {
					t.Errorf("encrypted %v: %v, want %v", encrypt, err, want)
				}
				if err != nil {
					continue
				}
				if got := c.Connected().ServerPublicKey != ""; got != encrypt {
					t.Errorf("encrypted: %v, want %v", got, encrypt)
				}
				_ = c.Close()
			}
		})
	}
}

// An encrypted and an unencrypted client communicate in a room. If the two sides cannot
// agree, listen prints a hint.
func TestListenEncrypted(t *testing.T) {
	t.Parallel()
	_, address := serve(t, nil, "--dev")
	listener := start(t, nil, "listen", "ws://"+address+"/ws", "--join", "lobby", "--encrypt", "--all")
	if line := listener.line(); !strings.Contains(line, `"serverPublicKey"`) {
		t.Errorf("listen printed %s", line)
	}
	c := dial(t, address, map[string]string{"userId": "bob"})
	if _, err := c.Join(t.Context(), "lobby"); err != nil {
		t.Fatal(err)
	}
	for !slices.ContainsFunc(strings.Split(listener.lines.text(), "\n"), func(line string) bool {
		return strings.HasPrefix(line, `{"event":"chat","data":{"room":"lobby","text":"hello"`)
	}) { // repeated, because listen may join later
		if err := c.Send(t.Context(), "chat", map[string]string{"room": "lobby", "text": "hello"}); err != nil {
			t.Fatal(err)
		}
		receive(t, c)
	}
	if strings.Contains(listener.lines.text(), `"event":"`+wire.EventEncrypted) {
		t.Error("listen shows sealed messages")
	}

	_, off := serve(t, nil, "--dev", "--encryption", "off")
	_, required := serve(t, nil, "--dev", "--encryption", "required")
	for _, row := range []struct{ address, flag, want string }{
		{off, "--encrypt", "--encryption optional"},
		{required, "--all", "use --encrypt to agree"},
	} {
		p := start(t, nil, "listen", "ws://"+row.address+"/ws", row.flag)
		if code := p.wait(); code != exitAuth || !strings.Contains(p.errors.text(), row.want) {
			t.Errorf("exit code %d, %s", code, p.errors.text())
		}
	}
}
