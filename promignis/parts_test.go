package promignis_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/access"
	"github.com/ignis-go/ignis/access/enforce"
	"github.com/ignis-go/ignis/auth/jwtauth"
	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/promignis"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/webhook"
	"github.com/ignis-go/ignis/wire"
)

func TestRedis(t *testing.T) {
	r := redistest.Start(t)
	bus, err := redisbus.New(redisbus.Config{URL: r.URL(), ProbeInterval: 50 * time.Millisecond, Logger: discard()})
	if err != nil {
		t.Fatal(err)
	}
	c := promignis.Config{Bus: bus}
	expect(t, values(t, c), map[string]float64{
		`ignis_redis_connected`:                   0,
		`ignis_redis_state{state="stopped"}`:      1,
		`ignis_redis_state{state="ready"}`:        0,
		`ignis_redis_heartbeat_lag_seconds_count`: 0,
	})
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- bus.Run(ctx, func() { close(ready) }, func(...[]byte) {}) }()
	<-ready
	_ = bus.Publish("ws:broadcast", []byte("{}"))
	redistest.Wait(t, "the envelope", func() bool { return bus.Stats().Received == 1 && bus.Stats().Published == 1 })
	got := values(t, c)
	expect(t, got, map[string]float64{
		`ignis_redis_connected`:                            1,
		`ignis_redis_state{state="ready"}`:                 1,
		`ignis_redis_state{state="unavailable"}`:           0,
		`ignis_redis_node_info{node="` + r.Addr() + `"}`:   1,
		`ignis_redis_published_total`:                      1,
		`ignis_redis_received_total`:                       1,
		`ignis_redis_lost_total{reason="connection lost"}`: 0,
		`ignis_redis_reconnects_total`:                     0,
		`ignis_redis_queued_envelopes`:                     0,
	})
	if got[`ignis_redis_lag_seconds`] <= 0 || got[`ignis_redis_heartbeat_lag_seconds_sum`] <= 0 {
		t.Errorf("lag %v, sum %v", got[`ignis_redis_lag_seconds`], got[`ignis_redis_heartbeat_lag_seconds_sum`])
	}
	r.Kill()
	redistest.Wait(t, "the bus to notice", func() bool { return !bus.Stats().Connected })
	got = values(t, c)
	expect(t, got, map[string]float64{`ignis_redis_connected`: 0, `ignis_redis_state{state="unavailable"}`: 1})
	if _, ok := got[`ignis_redis_lag_seconds`]; ok {
		t.Error("a lag is reported without a connection")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestWebhook(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/rooms" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(app.Close)
	rec := promignis.NewRecorder()
	w, err := webhook.New(webhook.Config{
		URL: app.URL, RoomsURL: app.URL + "/rooms", Secrets: []string{webhook.NewSecret()},
		Requested: rec.WebhookRequested, Logger: discard(),
	})
	if err != nil {
		t.Fatal(err)
	}
	one := &ignis.Client{ID: "c"}
	_, _ = w.OnMessage(t.Context(), one, wire.Message{Event: "x"})
	for range 10 {
		_, _ = w.ValidateRooms(t.Context(), one, []string{"a"})
	}
	w.OnConnect(t.Context(), one) // waits, because the client does not run
	expect(t, values(t, promignis.Config{Recorder: rec, Webhook: w}), map[string]float64{
		`ignis_webhook_requests_total{type="message"}`:                        1,
		`ignis_webhook_requests_total{type="join"}`:                           10,
		`ignis_webhook_answers_total{answer="accepted",type="message"}`:       1,
		`ignis_webhook_failures_total{cause="unexpected status",type="join"}`: 10,
		`ignis_webhook_circuit_state{state="open",type="join"}`:               1,
		`ignis_webhook_circuit_state{state="closed",type="join"}`:             0,
		`ignis_webhook_circuit_state{state="closed",type="message"}`:          1,
		`ignis_webhook_circuit_opened_total{type="join"}`:                     1,
		`ignis_webhook_events_queued`:                                         1,
		`ignis_webhook_request_duration_seconds_count{type="join"}`:           10,
		`ignis_webhook_request_duration_seconds_count{type="message"}`:        1,
	})
}

func TestAPI(t *testing.T) {
	rec := promignis.NewRecorder()
	rec.APIRequest("publish", http.StatusOK, 2*time.Second, 3)
	rec.APIRequest("publish", http.StatusOK, time.Second, 2)
	rec.APIRequest("publish", http.StatusTooManyRequests, 0, 0)
	rec.APIRequest("revoke", http.StatusUnauthorized, 0, 0)
	expect(t, values(t, promignis.Config{Recorder: rec}), map[string]float64{
		`ignis_api_requests_total{operation="publish",status="200"}`:    2,
		`ignis_api_requests_total{operation="publish",status="429"}`:    1,
		`ignis_api_requests_total{operation="revoke",status="401"}`:     1,
		`ignis_api_messages_total`:                                      5,
		`ignis_api_request_duration_seconds_count{operation="publish"}`: 3,
		`ignis_api_request_duration_seconds_sum{operation="publish"}`:   3,
		`ignis_api_request_duration_seconds_count{operation="revoke"}`:  1,
	})
}

func TestAccess(t *testing.T) {
	rules, err := access.Compile([]access.Rule{{Match: "lobby", Join: access.JoinRule{Who: access.Anyone}}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := enforce.New(enforce.Config{Rules: rules, Server: func() *ignis.Server { return nil }, Logger: discard()})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = p.ValidateRooms(t.Context(), &ignis.Client{ID: "c"}, []string{"lobby", "cellar"})
	_, _ = p.OnMessage(t.Context(), &ignis.Client{ID: "c"}, wire.Message{Event: "x", Room: "cellar"})
	expect(t, values(t, promignis.Config{Access: p}), map[string]float64{
		`ignis_access_joins_total{decision="allowed"}`:                           1,
		`ignis_access_joins_total{decision="asked"}`:                             0,
		`ignis_access_join_refusals_total{reason="no rule matches the room"}`:    1,
		`ignis_access_message_refusals_total{reason="no rule matches the room"}`: 1,
		`ignis_access_messages_total{to="room"}`:                                 0,
		`ignis_access_rules`:                                                     1,
	})
}

// Instances with the same rules report the same hash.
func TestRulesHash(t *testing.T) {
	hash := func(rules *access.Rules) float64 {
		p, err := enforce.New(enforce.Config{Rules: rules, Server: func() *ignis.Server { return nil }, Logger: discard()})
		if err != nil {
			t.Fatal(err)
		}
		value, ok := values(t, promignis.Config{Access: p})[`ignis_access_rules_hash`]
		if !ok || value == 0 {
			t.Errorf("the hash is %v (reported: %t)", value, ok)
		}
		return value
	}
	compile := func(match string, who access.Who) *access.Rules {
		rules, err := access.Compile([]access.Rule{{Match: match, Join: access.JoinRule{Who: who}}})
		if err != nil {
			t.Fatal(err)
		}
		return rules
	}
	first := hash(compile("lobby", access.Anyone))
	if again := hash(compile("lobby", access.Anyone)); again != first {
		t.Errorf("the hash of the same rules is %v and %v", first, again)
	}
	for name, rules := range map[string]*access.Rules{
		"another room": compile("hall", access.Anyone), "another decision": compile("lobby", access.Nobody), "no rules": nil,
	} {
		if hash(rules) == first {
			t.Errorf("%s: the same hash", name)
		}
	}
}

// The source of keys is a label, even if its name is not valid UTF-8.
func TestTokens(t *testing.T) {
	name := filepath.Join(t.TempDir(), "key")
	if runtime.GOOS == "linux" {
		name += "\xff"
	}
	write(t, name, strings.Repeat("x", 40))
	v, err := jwtauth.New(jwtauth.Config{KeyFiles: []jwtauth.KeyFile{{Name: name, Secret: true}}, Logger: discard()})
	if err != nil {
		t.Fatal(err)
	}
	source := `{source="` + strings.ToValidUTF8(name, "\uFFFD") + `"}`
	got := values(t, promignis.Config{Tokens: v})
	expect(t, got, map[string]float64{
		`ignis_token_keys` + source: 1, `ignis_token_keys_ok` + source: 1, `ignis_token_key_failures_total` + source: 0,
	})
	other := jwtauth.SourceStatus{Name: "other", Keys: 7}
	expect(t, values(t, promignis.Config{Tokens: v, TokenStatus: func() []jwtauth.SourceStatus { return []jwtauth.SourceStatus{other} }}), map[string]float64{
		`ignis_token_keys{source="other"}`: 7,
	})
	if loaded := got[`ignis_token_keys_loaded_timestamp_seconds`+source]; loaded < 1e9 {
		t.Errorf("loaded at %v", loaded)
	}
}

// Jobs are counted by name and outcome. Hooks that a job already has are called.
func TestJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := promignis.NewRecorder()
		var starts, records atomic.Int32
		ctx, cancel := context.WithCancel(t.Context())
		var jobs []*cron.Job
		var ended []chan error
		for _, cfg := range []cron.Config{
			{Name: "good", Do: func(context.Context, cron.Run) error { time.Sleep(2 * time.Second); return nil }},
			{Name: "bad", Do: func(context.Context, cron.Run) error { return errors.New("no luck") }},
			{Name: "long", Do: func(ctx context.Context, _ cron.Run) error { <-ctx.Done(); return nil }},
			{Do: func(context.Context, cron.Run) error { return nil }},
		} {
			cfg.Pattern, cfg.Logger = "0 * * * * *", discard()
			cfg.OnRunStart = func(cron.Run) { starts.Add(1) }
			cfg.OnRecord = func(cron.Record) { records.Add(1) }
			j, err := cron.New(rec.Job(cfg))
			if err != nil {
				t.Fatal(err)
			}
			jobs = append(jobs, j)
			j.Start()
			done := make(chan error, 1)
			go func() { done <- j.Run(ctx) }()
			ended = append(ended, done)
		}
		time.Sleep(2*time.Minute + 30*time.Second)
		_ = jobs[0].RunNow() // has no lag
		time.Sleep(10 * time.Second)
		got := values(t, promignis.Config{Recorder: rec})
		expect(t, got, map[string]float64{
			`ignis_cron_runs_total{job_name="good",outcome="succeeded"}`:                            3,
			`ignis_cron_runs_total{job_name="good",outcome="failed"}`:                               0,
			`ignis_cron_runs_total{job_name="bad",outcome="failed"}`:                                2,
			`ignis_cron_runs_total{job_name="unnamed",outcome="succeeded"}`:                         2,
			`ignis_cron_instants_not_run_total{job_name="long",outcome="skipped",reason="overlap"}`: 1,
			`ignis_cron_running{job_name="long"}`:                                                   1,
			`ignis_cron_running{job_name="good"}`:                                                   0,
			`ignis_cron_run_duration_seconds_sum{job_name="good"}`:                                  6,
			`ignis_cron_lag_seconds_count{job_name="good"}`:                                         2,
			`ignis_cron_lag_seconds_sum{job_name="good"}`:                                           0,
			`ignis_cron_last_success_timestamp_seconds{job_name="good"}`:                            float64(time.Date(2000, 1, 1, 0, 2, 32, 0, time.UTC).Unix()),
			`ignis_cron_last_success_timestamp_seconds{job_name="bad"}`:                             0,
		})
		if starts.Load() != 8 || records.Load() != 8 {
			t.Errorf("the job's own hooks were called %d and %d times, want 8 and 8", starts.Load(), records.Load())
		}
		cancel()
		for _, done := range ended {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestListening(t *testing.T) {
	expires := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	l := promignis.Listening{
		Preparing: 1, Waiting: 2, Handshakes: 3, HandshakesFailed: 4, HandshakesSlow: 5, HandshakesCutOff: 6,
		ProxyRefused: 7, RequestsSlow: 8, RequestsCutOff: 9, CertificateExpires: expires, ReloadsFailed: 10,
		ReloadError: errors.New("no luck"), ACMEDomains: 6, ACMEMissing: 1, ACMEFailing: 2, ACMEIssued: 11, ACMEFailed: 12,
	}
	got := values(t, promignis.Config{Listening: func() promignis.Listening { return l }})
	expect(t, got, map[string]float64{
		`ignis_listener_pending{stage="handshake"}`:                               1,
		`ignis_listener_pending{stage="request"}`:                                 2,
		`ignis_tls_handshakes_total`:                                              3,
		`ignis_listener_closed_total{reason="TLS handshake failed"}`:              4,
		`ignis_listener_closed_total{reason="TLS handshake too slow"}`:            5,
		`ignis_listener_closed_total{reason="too many handshakes"}`:               6,
		`ignis_listener_closed_total{reason="PROXY header missing or malformed"}`: 7,
		`ignis_listener_closed_total{reason="request too slow"}`:                  8,
		`ignis_listener_closed_total{reason="too many incomplete requests"}`:      9,
		`ignis_tls_certificate_expiry_timestamp_seconds`:                          float64(expires.Unix()),
		`ignis_tls_reload_failures_total`:                                         10,
		`ignis_tls_files_ok`:                                                      0,
		`ignis_acme_domains{state="ok"}`:                                          3,
		`ignis_acme_domains{state="failing"}`:                                     2,
		`ignis_acme_domains{state="missing"}`:                                     1,
		`ignis_acme_orders_total{outcome="issued"}`:                               11,
		`ignis_acme_orders_total{outcome="failed"}`:                               12,
	})
	l.CertificateExpires, l.ACMEDomains = time.Time{}, 0
	got = values(t, promignis.Config{Listening: func() promignis.Listening { return l }})
	for _, id := range []string{`ignis_tls_certificate_expiry_timestamp_seconds`, `ignis_acme_domains{state="ok"}`, `ignis_acme_orders_total{outcome="failed"}`} {
		if _, ok := got[id]; ok {
			t.Errorf("%s is reported without TLS", id)
		}
	}
}

func TestBuildInfo(t *testing.T) {
	for id := range values(t, promignis.Config{Version: "v1.2.3", Revision: "abc"}) {
		if !strings.Contains(id, `revision="abc",version="v1.2.3"`) || !strings.Contains(id, `goversion="go1`) {
			t.Error(id)
		}
	}
}
