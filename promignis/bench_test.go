package promignis_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/ignistest"
	"github.com/ignis-go/ignis/promignis"
)

// BenchmarkScrape measures a scrape of a server with 20,000 clients, each in a room of its
// own.
func BenchmarkScrape(b *testing.B) {
	const clients = 20_000
	rec := promignis.NewRecorder()
	s := ignistest.NewServer(b, ignis.Config{
		Logger: discard(), Hooks: rec.Hooks(), Authenticate: anyone, IdleTimeout: -1, HeartbeatTimeout: time.Hour,
		MaxClients: 2 * clients, MaxClientsPerAddress: -1, UpgradeRate: -1, UpgradeRatePerAddress: -1,
	})
	for i := range clients {
		crowd(b, s, fmt.Sprint("user", i))
	}
	for s.Stats().Authenticated < clients {
		time.Sleep(time.Millisecond)
	}
	for _, c := range s.Clients() {
		_ = s.Join(c.ID, "room-"+c.ID)
	}
	h := promignis.Handler(promignis.Config{Recorder: rec, Server: s.Server, Logger: discard()})
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		if !strings.Contains(w.Body.String(), fmt.Sprintf("ignis_rooms %d\n", clients+2)) {
			b.Fatal(w.Body)
		}
	}
}

// crowd connects a client that reads everything. It needs less memory than a client of package
// client.
func crowd(b *testing.B, s *ignistest.Server, user string) {
	c, err := s.NetDial(b.Context(), "", "")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	address, err := url.Parse(s.URL)
	if err != nil {
		b.Fatal(err)
	}
	if _, _, err := ws.DefaultDialer.Upgrade(c, address); err != nil {
		b.Fatal(err)
	}
	frame := ws.MaskFrameInPlace(ws.NewTextFrame([]byte(`{"event":"authenticate","data":{"token":"` + user + `"}}`)))
	if err := ws.WriteFrame(c, frame); err != nil {
		b.Fatal(err)
	}
	go func() {
		_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, make([]byte, 512))
	}()
}

// BenchmarkAPIRequest measures what a request to the HTTP API costs with metrics.
func BenchmarkAPIRequest(b *testing.B) {
	rec := promignis.NewRecorder()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			rec.APIRequest("publish", http.StatusOK, time.Millisecond, 1)
		}
	})
}
