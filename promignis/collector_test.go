package promignis_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/access/enforce"
	"github.com/ignis-go/ignis/auth/jwtauth"
	"github.com/ignis-go/ignis/ignistest"
	"github.com/ignis-go/ignis/promignis"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/webhook"
)

// Each number in the statistics of the packages is a metric, or left out for a reason.
func TestNothingIsForgotten(t *testing.T) {
	var source strings.Builder
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	leftOut := map[string]string{
		"ignis.Stats.Clients":       "ClientStats has the clients by state",
		"ignis.Stats.Authenticated": "ClientStats has the clients by state",
		"ignis.Stats.Disconnects":   "the hook Closed also has the code",
		"redisbus.Stats.Gaps":       "ignis.Stats.BusGaps",
		"redisbus.Stats.GapTime":    "ignis.Stats.BusGapTime",
	}
	for _, of := range []reflect.Type{
		reflect.TypeFor[ignis.Stats](), reflect.TypeFor[ignis.ClientStats](), reflect.TypeFor[ignis.Health](),
		reflect.TypeFor[redisbus.Stats](), reflect.TypeFor[webhook.Stats](), reflect.TypeFor[webhook.EndpointStats](),
		reflect.TypeFor[enforce.Stats](), reflect.TypeFor[jwtauth.SourceStatus](), reflect.TypeFor[promignis.Listening](),
	} {
		for i := range of.NumField() {
			f := of.Field(i)
			id := of.String() + "." + f.Name
			read := regexp.MustCompile(`\.` + f.Name + `\b`).MatchString(source.String())
			refusal := of == reflect.TypeFor[ignis.Stats]() && strings.HasPrefix(f.Name, "Refused") && f.Type.Kind() == reflect.Uint64
			if !read && !refusal && leftOut[id] == "" {
				t.Errorf("%s is not reported: add a metric for it, or the reason for leaving it out", id)
			}
		}
	}
}

// Every counter of what a server refuses is reported, with a label that is derived from the
// name of the field.
func TestRefused(t *testing.T) {
	for name, want := range map[string]string{"Full": "full", "AddressRate": "address_rate"} {
		if got := promignis.Reason(name); got != want {
			t.Errorf("Refused%s has the label %s, want %s", name, got, want)
		}
	}
	s := ignistest.NewServer(t, ignis.Config{Logger: discard(), Authenticate: anyone})
	got := values(t, promignis.Config{Server: s.Server})
	for f := range reflect.TypeFor[ignis.Stats]().Fields() {
		if name, ok := strings.CutPrefix(f.Name, "Refused"); ok && f.Type.Kind() == reflect.Uint64 {
			if _, ok := got[`ignis_refused_total{reason="`+promignis.Reason(name)+`"}`]; !ok {
				t.Errorf("%s is not reported", f.Name)
			}
		}
	}
}

// everything returns a configuration with all sources, which have no values.
func everything(t testing.TB) promignis.Config {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	bus, err := redisbus.New(redisbus.Config{URL: "redis://127.0.0.1:1", Logger: discard()})
	must(err)
	tokens, err := jwtauth.New(jwtauth.Config{Secret: make([]byte, 40), JWKS: []jwtauth.JWKS{{URL: "https://issuer.example"}}, Logger: discard()})
	must(err)
	hook, err := webhook.New(webhook.Config{URL: "http://127.0.0.1:1", Secrets: []string{webhook.NewSecret()}, Logger: discard()})
	must(err)
	policy, err := enforce.New(enforce.Config{Server: func() *ignis.Server { return nil }, Logger: discard()})
	must(err)
	rec := promignis.NewRecorder()
	s := ignistest.NewServer(t, ignis.Config{Logger: discard(), Authenticate: anyone, Hooks: rec.Hooks()})
	return promignis.Config{
		Recorder: rec, Server: s.Server, Bus: bus, Tokens: tokens, Webhook: hook, Access: policy,
		Listening: func() promignis.Listening { return promignis.Listening{CertificateExpires: time.Now()} },
		Logger:    discard(),
	}
}

// The descriptions of all metrics are complete, and their names follow the conventions.
func TestConventions(t *testing.T) {
	c := everything(t)
	described := make(map[string]bool)
	descs := make(chan *prometheus.Desc, 1000)
	promignis.NewCollector(c).Describe(descs)
	close(descs)
	for d := range descs {
		described[regexp.MustCompile(`fqName: "(\w+)"`).FindStringSubmatch(d.String())[1]] = true
	}
	for _, g := range promignis.Groups() {
		for _, f := range g.Families {
			if !described[f.Name] {
				t.Errorf("%s is not described by the Collector", f.Name)
			}
			delete(described, f.Name)
			if !strings.HasSuffix(f.Help, ".") || strings.Contains(f.Help, "|") {
				t.Errorf("%s: the description %q does not end with a full stop, or contains a |", f.Name, f.Help)
			}
		}
	}
	if len(described) > 0 {
		t.Errorf("not in the groups of the documentation: %v", described)
	}
	for _, f := range gather(t, c) {
		problems, err := promlint.NewWithMetricFamilies([]*dtoFamily{f}).Lint()
		if err != nil || len(problems) > 0 {
			t.Errorf("%s: %v %v", f.GetName(), err, problems)
		}
	}
}

// A handler reports the process and the Go runtime, too.
func TestHandler(t *testing.T) {
	text := scrape(t, promignis.Handler(everything(t)))
	for _, want := range []string{"ignis_ready 1", "go_goroutines ", "ignis_build_info{"} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
	// Nothing is required.
	text = scrape(t, promignis.Handler(promignis.Config{}))
	if strings.Contains(text, "ignis_ready") || !strings.Contains(text, "ignis_build_info{") {
		t.Errorf("without a configuration:\n%s", text)
	}
}

// The number of scrapes at the same time is limited.
func TestConcurrentScrapes(t *testing.T) {
	const scrapes = 10
	release, waiting := make(chan struct{}), make(chan struct{}, scrapes)
	h := promignis.Handler(promignis.Config{Listening: func() promignis.Listening {
		waiting <- struct{}{}
		<-release
		return promignis.Listening{}
	}})
	codes := make(chan int, scrapes)
	var all sync.WaitGroup
	for range scrapes {
		all.Go(func() {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
			codes <- w.Code
		})
	}
	refused := 0
	for range scrapes - 4 {
		if code := <-codes; code == http.StatusServiceUnavailable {
			refused++
		}
	}
	for range 4 {
		<-waiting
	}
	close(release)
	all.Wait()
	if refused != scrapes-4 {
		t.Errorf("%d of %d scrapes were refused, want %d", refused, scrapes, scrapes-4)
	}
}

// Metrics can be read while they change.
func TestScrapeWhileServing(t *testing.T) {
	rec := promignis.NewRecorder()
	s := ignistest.NewServer(t, ignis.Config{Logger: discard(), Hooks: rec.Hooks(), Authenticate: anyone})
	h := promignis.Handler(promignis.Config{Recorder: rec, Server: s.Server, Logger: discard()})
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		for ctx.Err() == nil {
			scrape(t, h)
		}
	})
	for i := range 20 {
		c := s.Dial(t, map[string]any{"token": fmt.Sprint(i % 3)})
		_ = s.SendLocal(ignis.ToEveryone(), "x", i)
		_ = c.Conn.Close()
	}
	cancel()
	all.Wait()
}

// A Collector can be registered more than once, with other labels.
func TestSeveralServers(t *testing.T) {
	r := prometheus.NewRegistry()
	for _, name := range []string{"a", "b"} {
		s := ignistest.NewServer(t, ignis.Config{Logger: discard(), Authenticate: anyone})
		c := promignis.NewCollector(promignis.Config{Server: s.Server})
		if err := prometheus.WrapRegistererWith(prometheus.Labels{"server": name}, r).Register(c); err != nil {
			t.Fatal(err)
		}
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(families, func(f *dtoFamily) bool { return f.GetName() == "ignis_ready" })
	if i < 0 || len(families[i].GetMetric()) != 2 {
		t.Errorf("%v", families)
	}
}
