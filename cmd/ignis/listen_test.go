package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/wire"
)

// listen reports the rooms that the server refused, and ends if it refused all of them.
func TestListenReportsRefusedRooms(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	_, address := serve(t, []string{"IGNIS_JWT_SECRET=" + testKey}, "--redis", r.URL())
	env := []string{"IGNIS_TOKEN=" + sign(t, testKey, map[string]any{"sub": "ann", "exp": inAnHour(), "rooms": []string{"news"}})}
	url := "ws://" + address + "/ws"

	some := start(t, env, "listen", url, "--join", "news", "--join", "secret")
	if note := some.logged("note: "); !strings.Contains(note, `refused room "secret" (forbidden)`) || strings.Contains(note, "news") {
		t.Errorf("got %s", note)
	}
	emit(t, r.URL(), "room", "news", "x", "1") // the note shows that it has joined
	if got := some.line(); got != `{"event":"x","data":1,"room":"news"}` {
		t.Errorf("printed %s", got)
	}

	none := start(t, env, "listen", url, "--join", "a", "--join", "b")
	if text := none.logged("refused"); !strings.Contains(text, `"a" (forbidden), room "b" (forbidden)`) {
		t.Errorf("got %s", text)
	}
	if code := none.wait(); code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
}

// A server with protocol 1, such as the original, does not report refused rooms.
func TestListenToProtocol1(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			t.Errorf("upgrade: %v", err)
			return
		}
		defer conn.Close()
		for _, answer := range []string{`{"event":"connected","data":{"id":"c1","time":"2026-01-31T09:05:07.123Z"}}`, `{"event":"x"}`} {
			text, err := wsutil.ReadClientText(conn)
			if err != nil || !json.Valid(text) {
				t.Errorf("read %s: %v", text, err)
				return
			}
			_ = wsutil.WriteServerText(conn, []byte(answer))
		}
		_, _ = wsutil.ReadClientText(conn)
	}))
	defer s.Close()
	p := start(t, nil, "listen", "ws"+strings.TrimPrefix(s.URL, "http"), "--join", "lobby")
	if got := p.line(); got != `{"event":"x"}` {
		t.Errorf("printed %s", got)
	}
	if note := p.logged("note: "); !strings.Contains(note, "does not report") {
		t.Errorf("got %s", note)
	}
}

// The hint after a close depends on whether connecting again helps.
func TestReconnectHint(t *testing.T) {
	for code, want := range map[uint16]string{
		wire.CloseGoingAway: "run the command again to", wire.CloseExpired: "with a new token", wire.CloseDisconnected: "", 1002: "", 1012: "run the command again to",
	} {
		if got := reconnectHint(&client.CloseError{Code: code}); !strings.Contains(got, want) || (want == "") != (got == "") {
			t.Errorf("%d: %q, want %q", code, got, want)
		}
	}
}
