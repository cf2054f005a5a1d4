package app

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/logtest"
	"github.com/ignis-go/ignis/internal/redistest"
)

// Servers with the same Redis exchange messages, and remember the idempotency keys of the API
// together.
func TestServersShareRedis(t *testing.T) {
	var log logtest.Log
	c, key := withAPI(t)
	c.Server.Logger = log.Logger()
	c.Redis.URL, c.Redis.Logger, c.RedisRequired = redistest.Start(t).URL(), c.Server.Logger, true
	first, second := run(t, c), run(t, c)
	conn := first.must(t, ann())
	if _, err := conn.Join(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	for _, r := range []running{second, first} { // the second request is a repetition of the first
		if code, body := ask(t, r.addr, key, "POST", "/api/v1/publish", `{"to":{"room":"a"},"event":"once"}`, "Idempotency-Key", "1"); code != http.StatusOK {
			t.Errorf("%d %s", code, body)
		}
	}
	if code, body := ask(t, second.addr, key, "POST", "/api/v1/publish", `{"to":{"room":"a"},"event":"end"}`); code != http.StatusOK {
		t.Errorf("%d %s", code, body)
	}
	for _, want := range []string{"once", "end"} {
		if m, err := conn.Receive(t.Context()); err != nil || m.Event != want {
			t.Errorf("received %+v, %v, want %s", m, err, want)
		}
	}
	for _, r := range []running{first, second} {
		if code, body := get(t, "http://"+r.addr+"/readyz"); code != http.StatusOK || !strings.Contains(body, `{"name":"redis","status":"ok"}`) {
			t.Errorf("%d %s", code, body)
		}
	}
	if log.Has("no Redis is configured") {
		t.Errorf("logged %s", &log)
	}
}

// A server outside development mode warns that it is alone.
func TestWithoutRedis(t *testing.T) {
	for name, config := range map[string]func() Config{"production": production, "development": development} {
		var log logtest.Log
		c := config()
		c.Server.Logger = log.Logger()
		if _, err := New(c); err != nil {
			t.Fatal(err)
		}
		if log.Has("no Redis is configured") != (name == "production") {
			t.Errorf("%s: logged %s", name, &log)
		}
	}
}
