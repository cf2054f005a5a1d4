package httpapi_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/httpapi"
	"github.com/ignis-go/ignis/ignistest"
)

// discard is an http.ResponseWriter without a connection.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// rewound is a body that can be read again.
type rewound struct{ *strings.Reader }

func (rewound) Close() error { return nil }

// BenchmarkPublish measures the handler alone, without package net/http and without clients.
func BenchmarkPublish(b *testing.B) {
	s := ignistest.NewServer(b, ignis.Config{
		Authenticate: func(context.Context, ignis.Credentials) (ignis.Identity, error) { return ignis.Identity{}, nil },
		Logger:       slog.New(slog.DiscardHandler),
	})
	key, hash, err := httpapi.NewKey("bench")
	if err != nil {
		b.Fatal(err)
	}
	api, err := httpapi.New(httpapi.Config{
		Server: s.Server, Logger: slog.New(slog.DiscardHandler),
		Keys: []httpapi.Key{{ID: "bench", Hashes: []string{hash}, Scopes: []httpapi.Scope{httpapi.ScopePublish}, Rate: -1}},
	})
	if err != nil {
		b.Fatal(err)
	}
	message := `{"to":{"room":"lobby"},"event":"notice","data":{"text":"` + strings.Repeat("x", 117) + `"}}`
	for name, row := range map[string]struct{ path, body string }{
		"single":   {"/v1/publish", message},
		"batch100": {"/v1/publish/batch", `{"messages":[` + strings.Repeat(message+",", 99) + message + `]}`},
	} {
		b.Run(name, func(b *testing.B) {
			body := strings.NewReader(row.body)
			r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, row.path, rewound{body})
			if err != nil {
				b.Fatal(err)
			}
			r.ContentLength = int64(len(row.body))
			r.Header.Set("Authorization", "Bearer "+key)
			w := discard{make(http.Header)}
			b.ReportAllocs()
			for b.Loop() {
				body.Reset(row.body)
				clear(w.header)
				api.ServeHTTP(w, r)
			}
			if s := api.Stats(); s.Invalid+s.Unauthorized > 0 {
				b.Errorf("stats %+v", s)
			}
		})
	}
}
