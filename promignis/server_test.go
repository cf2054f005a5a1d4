package promignis_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/ignistest"
	"github.com/ignis-go/ignis/promignis"
	"github.com/ignis-go/ignis/wire"
)

// anyone accepts all clients except those with a bad token.
func anyone(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
	switch c.Token {
	case "bad":
		return ignis.Identity{}, ignis.ErrUnauthenticated
	case "down":
		return ignis.Identity{}, &ignis.Error{Code: wire.CodeUnavailable}
	case "wrong audience":
		return ignis.Identity{}, rejected("the audience is wrong")
	}
	return ignis.Identity{UserID: c.Token}, nil
}

// rejected is an error with one text for all clients.
type rejected string

func (r rejected) Error() string      { return string(r) + " (subject 42)" }
func (r rejected) LogCause() string   { return string(r) }
func (rejected) Is(target error) bool { return target == ignis.ErrUnauthenticated }

// handshake returns a request for a connection, from a page of another host.
func handshake(ctx context.Context, host string) *http.Request {
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/ws", nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-WebSocket-Version", "13")
	r.Header.Set("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")
	r.Header.Set("Origin", "https://evil.example")
	return r
}

// The metrics of a server say what its clients have done.
func TestServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := promignis.NewRecorder()
		s := ignistest.NewServer(t, ignis.Config{
			Logger: discard(), Hooks: rec.Hooks(), Authenticate: anyone,
			ValidateRooms: func(_ context.Context, _ *ignis.Client, rooms []string) ([]string, error) {
				return rooms[:1], nil
			},
			OnMessage: func(_ context.Context, _ *ignis.Client, m wire.Message) (any, error) {
				time.Sleep(2 * time.Second)
				return nil, errors.New("no luck")
			},
		})
		ann := s.Dial(t, map[string]any{"token": "ann"})
		old := s.Dial(t, map[string]any{"token": "old", "protocol": 1})
		for _, token := range []string{"bad", "down", "wrong audience", "wrong audience"} {
			_, err := client.Dial(t.Context(), s.URL, client.Config{Credentials: map[string]any{"token": token}, NetDial: s.NetDial})
			if err == nil {
				t.Errorf("a client with the token %s was accepted", token)
			}
		}
		tr := &http.Transport{DialContext: s.NetDial}
		resp, err := tr.RoundTrip(handshake(t.Context(), "app.example"))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		tr.CloseIdleConnections()
		_, _ = ann.Conn.Join(t.Context(), "a", "b")
		ann.Send("say", "hi")
		time.Sleep(3 * time.Second)
		_ = s.SendLocal(ignis.ToEveryone(), "x", 1)
		_ = s.SendLocal(ignis.ToRoom("a"), "x", 1)
		_ = s.Disconnect(old.ID(), wire.CloseDisconnected, "")
		time.Sleep(time.Minute)
		got := values(t, promignis.Config{Recorder: rec, Server: s.Server})
		expect(t, got, map[string]float64{
			`ignis_ready`: 1,
			`ignis_clients{protocol="0",state="unauthenticated"}`: 0,
			`ignis_clients{protocol="1",state="authenticated"}`:   0,
			`ignis_clients{protocol="2",state="authenticated"}`:   1,
			`ignis_users`:             1,
			`ignis_rooms`:             3,
			`ignis_connections_total`: 6,
			`ignis_upgrades_total{outcome="accepted"}`:                                                           6,
			`ignis_upgrades_total{outcome="origin not allowed"}`:                                                 1,
			`ignis_upgrades_total{outcome="full"}`:                                                               0,
			`ignis_refused_total{reason="accept"}`:                                                               1,
			`ignis_refused_total{reason="auth"}`:                                                                 4,
			`ignis_authentications_total{kind="authenticate",outcome="accepted",reason=""}`:                      2,
			`ignis_authentications_total{kind="authenticate",outcome="rejected",reason=""}`:                      1,
			`ignis_authentications_total{kind="authenticate",outcome="rejected",reason="the audience is wrong"}`: 2,
			`ignis_authentications_total{kind="authenticate",outcome="unavailable",reason=""}`:                   1,
			`ignis_authentications_total{kind="refresh",outcome="accepted",reason=""}`:                           0,
			`ignis_authentication_duration_seconds_count{kind="authenticate"}`:                                   6,
			`ignis_closes_total{cause="authentication failed",code="4003"}`:                                      3,
			`ignis_closes_total{cause="try again later",code="1013"}`:                                            1,
			`ignis_closes_total{cause="closed by the application",code="4006"}`:                                  1,
			`ignis_connection_duration_seconds_count`:                                                            1,
			`ignis_joins_total`: 1,
			`ignis_join_refusals_total{reason="not allowed by the application"}`: 1,
			`ignis_callback_duration_seconds_count{callback="Authenticate"}`:     6,
			`ignis_callback_duration_seconds_count{callback="ValidateRooms"}`:    1,
			`ignis_callback_duration_seconds_count{callback="OnMessage"}`:        1,
			`ignis_callback_duration_seconds_sum{callback="OnMessage"}`:          2,
			`ignis_callback_duration_seconds_count{callback="OnJoin"}`:           0,
			`ignis_callback_errors_total`:                                        1,
			`ignis_message_recipients_count`:                                     2,
			`ignis_message_recipients_sum`:                                       3,
			`ignis_messages_handled_total`:                                       1,
			`ignis_bus_up`:                                                       1,
			`ignis_queue_bytes`:                                                  0,
		})
		if got["ignis_written_bytes_total"] < 100 || got["ignis_write_messages_sum"] < 8 || got["ignis_messages_received_bytes_total"] < 100 {
			t.Errorf("bytes and writes: %v", got)
		}
	})
}
