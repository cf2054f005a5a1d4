package promignis_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/access"
	"github.com/ignis-go/ignis/access/enforce"
	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/ignistest"
	"github.com/ignis-go/ignis/promignis"
	"github.com/ignis-go/ignis/wire"
)

// hostile returns a different text for each i, as a client could choose it.
func hostile(i int) string { return fmt.Sprintf("h0stile-%d\"}\n\x00\xff☃", i) }

// Nothing that clients choose becomes a label, and the number of time series does not depend
// on the number of clients.
func TestClientsCannotAddSeries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := promignis.NewRecorder()
		var s *ignistest.Server
		rules, err := access.Compile([]access.Rule{{
			Match: "room-*", Join: access.JoinRule{Who: access.Anyone}, Send: []access.SendRule{{Events: []string{"say"}}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		policy, err := enforce.New(enforce.Config{Rules: rules, Server: func() *ignis.Server { return s.Server }, Logger: discard()})
		if err != nil {
			t.Fatal(err)
		}
		s = ignistest.NewServer(t, ignis.Config{
			Logger: discard(), Hooks: rec.Hooks(),
			Accept: func(r *http.Request) (ignis.Accepted, error) { return ignis.Accepted{}, ignis.CheckOrigin(r, nil) },
			Authenticate: func(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
				if strings.HasSuffix(c.Token, "!") {
					return ignis.Identity{}, fmt.Errorf("%w: %s", ignis.ErrUnauthenticated, c.Token)
				}
				return ignis.Identity{UserID: c.Token}, nil
			},
			ValidateRooms: policy.ValidateRooms, OnMessage: policy.OnMessage,
		})
		series := func() (n int) {
			for id := range values(t, promignis.Config{Recorder: rec, Server: s.Server, Access: policy}) {
				if strings.Contains(id, "h0stile") {
					t.Errorf("a client has chosen the label of %s", id)
				}
				n++
			}
			return n
		}
		visit := func(i int) {
			c := s.DialConfig(t, client.Config{Credentials: map[string]any{"token": hostile(i)}})
			_, _ = c.Conn.Join(t.Context(), "room-"+hostile(i), hostile(i), "room-a")
			_ = c.Conn.SendMessage(t.Context(), wire.Message{Event: hostile(i), Room: "room-a"})
			_ = c.Conn.SendMessage(t.Context(), wire.Message{Event: "say", Room: hostile(i)})
			_ = c.Conn.Send(t.Context(), "say", map[string]any{"room": hostile(i)})
			time.Sleep(time.Second)
			_ = c.Conn.CloseWith(uint16(3000+i), "bye")
			_, err := client.Dial(t.Context(), s.URL, client.Config{Credentials: map[string]any{"token": hostile(i) + "!"}, NetDial: s.NetDial})
			if err == nil {
				t.Error("a client with a bad token was accepted")
			}
			request(t, s, hostile(i))
			time.Sleep(time.Minute)
		}
		for i := range 10 {
			visit(i)
		}
		before := series()
		for i := range 300 {
			visit(100 + i)
		}
		if after := series(); after != before {
			t.Errorf("%d time series after 10 clients, %d after 310", before, after)
		}
	})
}

// request sends a request for a connection with a hostile origin and key.
func request(t *testing.T, s *ignistest.Server, text string) {
	t.Helper()
	tr := &http.Transport{DialContext: s.NetDial, DisableKeepAlives: true}
	for _, name := range []string{"Origin", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Protocol", "Upgrade"} {
		r := handshake(t.Context(), "app.example")
		r.Header.Set(name, strings.NewReplacer("\n", "", "\x00", "").Replace(text))
		resp, err := tr.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
}

// A label whose values an application chooses has a limited number of them, even if the
// application makes a mistake.
func TestApplicationsCannotAddSeriesWithoutLimit(t *testing.T) {
	rec := promignis.NewRecorder()
	h := rec.Hooks()
	for i := range 10 * promignis.MaxValues {
		h.Authenticated(ignis.AuthenticatedInfo{Outcome: ignis.AuthRejected, Err: rejected(hostile(i))})
		h.Refused(ignis.RefusedInfo{Reason: hostile(i)})
		h.Closed(ignis.ClosedInfo{Cause: ignis.CauseClientClosed, Code: uint16(i)})
		h.CallbackReturned(ignis.CallbackReturnedInfo{Callback: ignis.Callback(i), Calls: 1})
		rec.Job(cron.Config{Name: fmt.Sprintf("job-%d", i)})
	}
	counts := make(map[string]int)
	for id := range values(t, promignis.Config{Recorder: rec}) {
		name, _, _ := strings.Cut(id, "{")
		counts[name]++
	}
	for name, n := range counts {
		if n > promignis.MaxValues*5+5 { // ignis_cron_runs_total has five outcomes for each job
			t.Errorf("%s has %d time series", name, n)
		}
	}
	got := values(t, promignis.Config{Recorder: rec})
	expect(t, got, map[string]float64{
		`ignis_upgrades_total{outcome="other"}`:                                              9 * promignis.MaxValues,
		`ignis_authentications_total{kind="authenticate",outcome="rejected",reason="other"}`: 9 * promignis.MaxValues,
	})
	if _, ok := got[`ignis_cron_running{job_name="other"}`]; !ok {
		t.Error("there is no job named other")
	}
}

// Texts that are equal as labels are counted together.
func TestEqualLabels(t *testing.T) {
	rec := promignis.NewRecorder()
	refused := rec.Hooks().Refused
	x := strings.Repeat("x", 119)
	for _, reason := range []string{"a\xff", "a\xfe", x + "é", x + "日"} { // the last two are cut within a character
		refused(ignis.RefusedInfo{Reason: reason})
	}
	expect(t, values(t, promignis.Config{Recorder: rec}), map[string]float64{
		`ignis_upgrades_total{outcome="a�"}`:         2,
		`ignis_upgrades_total{outcome="` + x + `�"}`: 2,
	})
}

// The reason of an authentication is only known for errors with LogCause.
func TestReasonOfErrors(t *testing.T) {
	rec := promignis.NewRecorder()
	f := rec.Hooks().Authenticated
	for _, err := range []error{
		fmt.Errorf("wrapped: %w", rejected("too late")),
		errors.New("secret of ann"),
		rejected(strings.Repeat("x", 1000)),
	} {
		f(ignis.AuthenticatedInfo{Outcome: ignis.AuthRejected, Err: err})
	}
	expect(t, values(t, promignis.Config{Recorder: rec}), map[string]float64{
		`ignis_authentications_total{kind="authenticate",outcome="rejected",reason="too late"}`:                         1,
		`ignis_authentications_total{kind="authenticate",outcome="rejected",reason=""}`:                                 1,
		`ignis_authentications_total{kind="authenticate",outcome="rejected",reason="` + strings.Repeat("x", 120) + `"}`: 1,
	})
}
