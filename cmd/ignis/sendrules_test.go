package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/webhook"
)

// Events of one room go to different places: what is typed to the others in the room, on all
// servers, and what is said to the webhook.
func TestSendSeveral(t *testing.T) {
	t.Parallel()
	said := make(chan string, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		said <- string(body)
	}))
	defer hook.Close()
	r := redistest.Start(t)
	file := writeFile(t, "ignis.yaml", fmt.Sprintf(`tokens: {secret_file: %s}
webhook: {url: %q, secret_files: [%s], authenticate: false}
redis: {url: %q}
rooms:
  - match: lobby
    join: anyone
    send:
      - events: [typing]
        except_sender: true
      - events: [say]
        to: webhook
`, writeFile(t, "jwt", testKey), hook.URL, writeFile(t, "secret", webhook.NewSecret()), r.URL()))
	_, first := serve(t, nil, "--config", file)
	_, second := serve(t, nil, "--config", file)
	ann, ben, cy := dial(t, first, tokenFor(t, testKey, "ann")), dial(t, first, tokenFor(t, testKey, "ben")), dial(t, second, tokenFor(t, testKey, "cy"))
	for _, c := range []*client.Conn{ann, ben, cy} {
		if !joins(t, c, "lobby") {
			t.Fatal("the room is refused")
		}
	}
	for _, event := range []string{"typing", "say", "shout"} {
		if code := say(t, ann, event, "lobby"); (code == "") != (event != "shout") {
			t.Errorf("%s: %q", event, code)
		}
	}
	if code := say(t, cy, "typing", "lobby"); code != "" {
		t.Errorf("cy: %q", code)
	}
	// Each receives only what the others type, so that of cy is the first that ann receives.
	if m := receive(t, ann); m.Event != "typing" || m.From.UserID != "cy" {
		t.Errorf("ann received %+v", m)
	}
	if m := receive(t, cy); m.Event != "typing" || m.From.UserID != "ann" {
		t.Errorf("cy received %+v", m)
	}
	for _, from := range []string{"ann", "cy"} {
		if m := receive(t, ben); m.Event != "typing" || m.From.UserID != from {
			t.Errorf("ben received %+v, want that of %s", m, from)
		}
	}
	if body := <-said; len(said) != 0 || !strings.Contains(body, `"say"`) {
		t.Errorf("the webhook received %s and %d more", body, len(said))
	}
}
