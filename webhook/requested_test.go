package webhook_test

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/webhook"
	"github.com/ignis-go/ignis/wire"
)

// Config.Requested is told the duration of each request, answered or not.
func TestRequested(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var mu sync.Mutex
		var got []webhook.RequestInfo
		a := newApp(t, func(w http.ResponseWriter, r *http.Request, in received) {
			pause := map[string]time.Duration{"authenticate": time.Second, "join": 2 * time.Second, "message": time.Minute, "events": 3 * time.Second}
			select {
			case <-time.After(pause[in.Type]):
			case <-r.Context().Done():
			}
			w.WriteHeader(http.StatusNoContent)
		})
		c := a.newClient(webhook.Config{Requested: func(i webhook.RequestInfo) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, i)
		}})
		client := &ignis.Client{ID: "c"}
		_, _ = c.Authenticate(t.Context(), creds())
		_, _ = c.ValidateRooms(t.Context(), client, []string{"a"})
		_, _ = c.OnMessage(t.Context(), client, wire.Message{Event: "x"})
		c.OnConnect(t.Context(), client)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		want := []webhook.RequestInfo{
			{Type: "authenticate", Duration: time.Second},
			{Type: "join", Duration: 2 * time.Second},
			{Type: "message", Duration: 5 * time.Second}, // Config.Timeout
			{Type: "events", Duration: 3 * time.Second},
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}
