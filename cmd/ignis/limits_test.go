package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/wire"
)

// The header of a request is limited to 8 KiB, whether it is one long field or many short
// ones.
func TestHeaderLimit(t *testing.T) {
	_, address := serve(t, nil, "--dev")
	short := func(n int) (fields []string) {
		for range n {
			fields = append(fields, "A", "b")
		}
		return fields
	}
	for name, tt := range map[string]struct {
		fields []string
		want   int
	}{
		"one of 7 KiB":   {[]string{"Cookie", strings.Repeat("x", 7<<10)}, http.StatusOK},
		"one of 9 KiB":   {[]string{"Cookie", strings.Repeat("x", 9<<10)}, http.StatusRequestHeaderFieldsTooLarge},
		"a few short":    {short(100), http.StatusOK},
		"5,000 of short": {short(5000), http.StatusRequestHeaderFieldsTooLarge},
	} {
		if code := handshake(t, "http://"+address+"/healthz", tt.fields...); code != tt.want {
			t.Errorf("%s: answered %d, want %d", name, code, tt.want)
		}
	}
}

// Flags set the limits for unauthenticated clients.
func TestAuthLimitFlags(t *testing.T) {
	_, address := serve(t, nil, "--dev", "--auth-max-payload", "1KiB")
	credentials := map[string]string{"userId": "ann", "x": strings.Repeat("x", 2000)}
	conn, err := client.Dial(context.Background(), "ws://"+address+"/ws", client.Config{Credentials: credentials})
	if err == nil {
		_ = conn.Close()
	}
	var closed *client.CloseError
	if !errors.As(err, &closed) || closed.Code != 1009 {
		t.Errorf("credentials of 2 KB: %v, want close code 1009", err)
	}
	if wire.DefaultAuthMaxPayload != 8<<10 {
		t.Error("the flag's default is not the protocol's")
	}
}
