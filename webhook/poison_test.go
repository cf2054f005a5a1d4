package webhook_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/ignis-go/ignis/webhook"
)

// An event that the endpoint refuses does not take others with it.
func TestOneRefusedEvent(t *testing.T) {
	for _, status := range []int{http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity} {
		bubble(t, func(t *testing.T) {
			a := newApp(t, func(w http.ResponseWriter, _ *http.Request, in received) {
				if bytes.Contains(in.Data, []byte("poison")) {
					w.WriteHeader(status)
				}
			})
			c := a.idleClient(webhook.Config{EventConcurrency: 1})
			for i := range 10 {
				text := fmt.Sprint("event ", i)
				if i == 6 {
					text = "poison"
				}
				if _, err := c.TellMessage(t.Context(), ann(), message("say", `"`+text+`"`)); err != nil {
					t.Fatal(err)
				}
			}
			a.run(c)
			synctest.Wait()
			s := c.Stats()
			if s.Delivered != 9 || s.Lost[webhook.LostRefused] != 1 || s.Queued != 0 || s.QueuedBytes != 0 {
				t.Errorf("%d: counted %+v", status, s)
			}
			var order []string
			for _, in := range a.take() {
				if bytes.Contains(in.Data, []byte("poison")) {
					continue
				}
				for i := range 10 {
					if text := fmt.Sprint("event ", i); bytes.Contains(in.Data, []byte(text)) {
						order = append(order, text)
					}
				}
			}
			if len(order) != 9 || !slices.IsSorted(order) {
				t.Errorf("%d: delivered %v", status, order)
			}
		})
	}
}
