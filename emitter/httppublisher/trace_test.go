package httppublisher_test

import (
	"context"
	"net/http"
	"slices"
	"testing"

	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/emitter/httppublisher"
	"github.com/ignis-go/ignis/wire"
)

// The traceparent of an emitter becomes a header of each request.
func TestTraceparent(t *testing.T) {
	var got []string
	b := serve(t, nil, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got = append(got, r.Header.Get("Traceparent"))
			h.ServeHTTP(w, r)
		})
	})
	const valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	now := valid
	e, err := emitter.New(b.publisher(t, httppublisher.Config{MaxBatch: 1}), emitter.Config{
		Traceparent: func(context.Context) string { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	m := emitter.Message{To: wire.ToUser("ann"), Event: "x"}
	if err := e.SendAll(t.Context(), m, m); err != nil {
		t.Fatal(err)
	}
	now = ""
	if err := e.Send(t.Context(), wire.ToUser("ann"), "x", nil); err != nil {
		t.Fatal(err)
	}
	if want := []string{valid, valid, ""}; !slices.Equal(got, want) {
		t.Errorf("the headers are %q, want %q", got, want)
	}
}
