package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/ignis-go/ignis/internal/logarea"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/webhook"
)

// metricsURL returns the address in the log line about the listener for metrics.
func metricsURL(p *process) string {
	p.t.Helper()
	line := p.logged("serving metrics and probes")
	url := regexp.MustCompile(`url=(http://\S+)`).FindStringSubmatch(line)
	if url == nil {
		p.t.Fatalf("logged %s", line)
	}
	return url[1]
}

// expectMetrics waits until a scrape contains these lines.
func expectMetrics(t *testing.T, url string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		redistest.Wait(t, line, func() bool {
			code, header, body := get(t, url+"/metrics")
			if code != http.StatusOK || !strings.HasPrefix(header.Get("Content-Type"), "text/plain") {
				t.Fatalf("/metrics answers %d, %s", code, header)
			}
			return strings.Contains(body, "\n"+line+"\n")
		})
	}
}

// The listener for metrics reports what each part of the program has done, and answers probes.
func TestMetrics(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	file := writeFile(t, "ignis.yaml", "metrics: {listen: '127.0.0.1:0'}\nrooms:\n  - {match: lobby, join: anyone}\n")
	p, address := serve(t, []string{"IGNIS_JWT_SECRET=" + testKey}, "--config", file, "--redis", r.URL())
	url := metricsURL(p)
	expectMetrics(t, url, `ignis_ready 1`, `ignis_connections_total 0`, `ignis_bus_up 1`)

	c := dial(t, address, tokenFor(t, testKey, "ann"))
	if !joins(t, c, "lobby") || joins(t, c, "cellar") {
		t.Fatal("the rules are not in effect")
	}
	if accepted(t, address, tokenFor(t, strings.Repeat("other", 8), "ben")) {
		t.Fatal("a wrong token is accepted")
	}
	version := thisBuild().Version
	expectMetrics(t, url,
		`ignis_build_info{goversion="`+thisBuild().Go+`",revision="",version="`+version+`"} 1`,
		`ignis_clients{protocol="2",state="authenticated"} 1`,
		`ignis_connections_total 2`,
		`ignis_upgrades_total{outcome="accepted"} 2`,
		`ignis_authentications_total{kind="authenticate",outcome="accepted",reason=""} 1`,
		`ignis_authentications_total{kind="authenticate",outcome="rejected",reason="the token's signature is wrong"} 1`,
		`ignis_access_joins_total{decision="allowed"} 1`,
		`ignis_access_join_refusals_total{reason="no rule matches the room"} 1`,
		`ignis_redis_connected 1`,
		`ignis_listener_pending{stage="handshake"} 0`,
	)
	for path, want := range map[string]string{"/healthz": `{"status":"alive"}`, "/readyz": `{"status":"ready","checks":[`, "/startupz": `{"status":"started"}`} {
		if code, _, body := get(t, url+path); code != http.StatusOK || !strings.HasPrefix(body, want) {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	for _, path := range []string{"/debug/pprof/", "/ws", "/"} {
		if code, _, _ := get(t, url+path); code != http.StatusNotFound {
			t.Errorf("%s: %d", path, code)
		}
	}
	if code, _, _ := get(t, "http://"+address+"/metrics"); code != http.StatusNotFound {
		t.Errorf("clients can read the metrics: %d", code)
	}
}

// Metrics are served while the server waits for Redis.
func TestMetricsBeforeRedis(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	r.Pause()
	p := start(t, nil, "serve", "--dev", "--listen", "127.0.0.1:0", "--redis", r.URL(), "--log-level", "info", "--metrics-listen", "127.0.0.1:0")
	url := metricsURL(p)
	expectMetrics(t, url, `ignis_ready 0`)
	if code, _, body := get(t, url+"/startupz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "the server waits for Redis") {
		t.Errorf("/startupz: %d %s", code, body)
	}
	r.Resume()
	p.line() // listening
	expectMetrics(t, url, `ignis_ready 1`)
	if code, _, body := get(t, url+"/startupz"); code != http.StatusOK {
		t.Errorf("/startupz: %d %s", code, body)
	}
}

// Profiles are served only on loopback addresses.
func TestProfiles(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--pprof --metrics-listen 0.0.0.0:0": "only on a loopback address",
		"--pprof --metrics-listen :0":        "only on a loopback address",
		"--pprof":                            "--pprof: profiles are served on the address in --metrics-listen, which is not set",
	} {
		code, _, errors := ignisRun(t, []string{"IGNIS_JWT_SECRET=" + testKey}, append([]string{"serve", "--listen", "127.0.0.1:0"}, strings.Fields(args)...)...)
		if code != exitUsage || !strings.Contains(errors, want) {
			t.Errorf("%s: exit code %d, %s", args, code, errors)
		}
	}
	p, _ := serve(t, nil, "--dev", "--log-level", "info", "--metrics-listen", "127.0.0.1:0", "--pprof")
	url := metricsURL(p)
	if code, _, body := get(t, url+"/debug/pprof/goroutine?debug=1"); code != http.StatusOK || !strings.Contains(body, "goroutine profile") {
		t.Errorf("%d %.100s", code, body)
	}
	if code, _, _ := get(t, url+"/debug/pprof/profile?seconds=1"); code != http.StatusOK {
		t.Errorf("a profile: %d", code)
	}
	if code, _, _ := get(t, url+"/debug/pprof/goroutine", "Host", "site.example"); code != http.StatusForbidden {
		t.Errorf("a request that names another host: %d", code)
	}
}

// The first line of the log describes the program.
func TestFirstLogLine(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "ignis.yaml", "log: {format: json}\nredis: {url_file: "+writeFile(t, "redis", "redis://127.0.0.1:1")+"}\n")
	p := start(t, []string{"IGNIS_JWT_SECRET=" + testKey}, "serve", "--listen", "127.0.0.1:0", "--config", file)
	var line map[string]string
	if err := json.Unmarshal([]byte(p.logged("")), &line); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"msg": "ignis is starting", "level": "INFO", "area": logarea.Program, "version": thisBuild().Version, "go": thisBuild().Go, "file": file}
	for key, value := range want {
		if line[key] != value {
			t.Errorf("%s is %q, want %q", key, line[key], value)
		}
	}
	p.logged("redis is not ready")
}

// SIGHUP changes the level of one area, and leaves that of the others.
func TestReloadOfLogLevels(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "ignis.yaml", "log: {level: warn, levels: {program: info}}\n")
	p, address := serve(t, []string{"IGNIS_JWT_SECRET=" + testKey}, "--config", file)
	reload := func(text string) {
		t.Helper()
		replace(t, file, text)
		p.signal(syscall.SIGHUP)
		if line := p.logged("configuration reloaded"); !strings.Contains(line, "changed=log.levels") || !strings.Contains(line, "area=program") {
			t.Errorf("logged %s", line)
		}
	}
	const line = `msg="client authenticated"`
	dial(t, address, tokenFor(t, testKey, "ann"))
	reload("log: {level: warn, levels: {program: info, server: debug}}\n")
	if strings.Contains(p.errors.text(), line) {
		t.Error("debug lines were written before the reload")
	}
	dial(t, address, tokenFor(t, testKey, "ben"))
	if got := p.logged(line); !strings.Contains(got, "level=DEBUG") || !strings.Contains(got, "area=server") || !strings.Contains(got, "user=ben") {
		t.Errorf("logged %s", got)
	}
	reload("log: {level: warn, levels: {program: info}}\n")
	dial(t, address, tokenFor(t, testKey, "cid"))
	if text := p.errors.text(); strings.Contains(text, "user=cid") || strings.Contains(text, "user=ann") {
		t.Error("debug lines are written although the level of the area is higher")
	}
}

// The areas that have a level are those of the log.
func TestLogAreas(t *testing.T) {
	t.Parallel()
	known := make(map[string]bool)
	new(areaLevels).fields(func(area string, _ *levelName) { known[area] = true })
	for _, area := range logarea.All() {
		if !known[area] && area != logarea.Cron {
			t.Errorf("log.levels does not have the area %s", area)
		}
		delete(known, area)
	}
	for area := range known {
		t.Errorf("log.levels has the area %s, which package logarea does not have", area)
	}
}

// ignis cron run reports its jobs, and its areas of the log have levels, too.
func TestCronMetrics(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	r := redistest.Start(t)
	file := writeFile(t, "jobs.yaml", "jobs:\n  tick: {pattern: '* * * * * *', room: lobby, event: tick}\n  later: {pattern: '@yearly', room: lobby, event: later}\n")
	p := start(t, []string{"IGNIS_REDIS=" + r.URL()}, "cron", "run", file, "--metrics-listen", "127.0.0.1:0", "--log-levels", "cron=error,redis=debug")
	if line := p.logged(""); !strings.Contains(line, `msg="ignis is starting" area=program`) {
		t.Errorf("the first line is %s", line)
	}
	url := regexp.MustCompile(`http://\S+`).FindString(p.logged(`msg="serving metrics"`))
	ran := func(job string) string {
		_, _, body := get(t, url+"/metrics")
		found := regexp.MustCompile(`(?m)^ignis_cron_runs_total{job_name="` + job + `",outcome="succeeded"} (\d+)$`).FindStringSubmatch(body)
		if found == nil {
			return ""
		}
		return found[1]
	}
	redistest.Wait(t, "two runs", func() bool { n := ran("tick"); return n != "" && n != "0" && n != "1" })
	if n := ran("later"); n != "0" {
		t.Errorf("the other job has run %q times", n)
	}
	expectMetrics(t, url, `ignis_build_info{goversion="`+thisBuild().Go+`",revision="",version="`+thisBuild().Version+`"} 1`)
	if code, _, body := get(t, url+"/healthz"); code != http.StatusOK || body != `{"status":"alive"}`+"\n" {
		t.Errorf("/healthz: %d %s", code, body)
	}
	if strings.Contains(p.errors.text(), "area=cron") {
		t.Error("lines of the area cron are written although its level is error")
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, levels := range []string{"cron", "cron=loud", "webhook=info", "cron=info,"} {
		if code, _, _ := ignisRun(t, nil, "cron", "run", file, "--log-levels", levels); code != exitUsage {
			t.Errorf("--log-levels %s: exit code %d", levels, code)
		}
	}
}

// A server whose keys have never been fetched is not ready, because it cannot authenticate
// anybody. Later failures only degrade it.
func TestReadinessFollowsKeys(t *testing.T) {
	t.Parallel()
	var working atomic.Bool
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !working.Load() {
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)
	}))
	t.Cleanup(issuer.Close)
	p, address := serve(t, nil, "--jwks-url", issuer.URL+"/?secret=hunter2")
	until := func(code int, status, reason string) {
		t.Helper()
		redistest.Wait(t, status, func() bool {
			got, _, body := get(t, "http://"+address+"/readyz")
			if strings.Contains(body, "hunter2") || strings.Contains(body, "127.0.0.1") {
				t.Fatalf("/readyz reveals where the keys come from: %s", body)
			}
			return got == code && strings.HasPrefix(body, `{"status":"`+status+`"`) && strings.Contains(body, reason)
		})
	}
	until(http.StatusServiceUnavailable, "not ready", "no client can be authenticated")
	working.Store(true)
	until(http.StatusOK, "ready", `{"name":"tokens","status":"ok"}`)
	working.Store(false)
	p.signal(syscall.SIGHUP) // fetches the keys
	p.logged("could not be read again")
	until(http.StatusOK, "degraded", "the previous ones stay in use")
}

// Whether Redis is required can change while the server runs.
func TestReloadOfRedisRequired(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	file := writeFile(t, "ignis.yaml", "redis: {required: false}\n")
	p, address := serve(t, []string{"IGNIS_JWT_SECRET=" + testKey}, "--config", file, "--redis", r.URL())
	ready := func() (code int) {
		code, _, _ = get(t, "http://"+address+"/readyz")
		return code
	}
	r.Kill()
	p.logged("redis connection lost")
	if code := ready(); code != http.StatusOK {
		t.Errorf("Redis is not required: %d", code)
	}
	replace(t, file, "redis: {required: true}\n")
	p.signal(syscall.SIGHUP)
	if line := p.logged("configuration reloaded"); !strings.Contains(line, "changed=redis.required") {
		t.Errorf("logged %s", line)
	}
	if code := ready(); code != http.StatusServiceUnavailable {
		t.Errorf("Redis is required: %d", code)
	}
}

// Metrics and probes are served until everything else has ended.
func TestMetricsDuringShutdown(t *testing.T) {
	t.Parallel()
	asked, release := make(chan struct{}, 10), make(chan struct{})
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-release
	}))
	t.Cleanup(app.Close)
	answer := sync.OnceFunc(func() { close(release) })
	t.Cleanup(answer) // first, so that app can be closed
	file := writeFile(t, "ignis.yaml", "metrics: {listen: '127.0.0.1:0'}\nwebhook: {url: '"+app.URL+"', events: [connected]}\n")
	p, address := serve(t, []string{"IGNIS_JWT_SECRET=" + testKey, "IGNIS_WEBHOOK_SECRET=" + webhook.NewSecret()}, "--config", file)
	url := metricsURL(p)
	dial(t, address, tokenFor(t, testKey, "ann"))
	<-asked
	p.signal(syscall.SIGTERM)
	p.logged("server has shut down") // the event has not been delivered
	if code, _, body := get(t, url+"/readyz"); code != http.StatusServiceUnavailable || !strings.HasPrefix(body, `{"status":"stopping"`) {
		t.Errorf("/readyz: %d %s", code, body)
	}
	if code, _, body := get(t, url+"/startupz"); code != http.StatusOK {
		t.Errorf("/startupz: %d %s", code, body)
	}
	expectMetrics(t, url, `ignis_ready 0`, `ignis_webhook_requests_in_flight{type="events"} 1`)
	answer()
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
