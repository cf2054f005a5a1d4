package promignis_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/ignis-go/ignis/promignis"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type dtoFamily = dto.MetricFamily

// gather returns the metrics of a Collector by name.
func gather(t testing.TB, c promignis.Config) map[string]*dto.MetricFamily {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(promignis.NewCollector(c))
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]*dto.MetricFamily)
	for _, f := range families {
		all[f.GetName()] = f
	}
	return all
}

// values returns the samples of a Collector, as name{label="value"}. Histograms and summaries
// have the suffix _count or _sum.
func values(t testing.TB, c promignis.Config) map[string]float64 {
	t.Helper()
	all := make(map[string]float64)
	for name, f := range gather(t, c) {
		for _, m := range f.GetMetric() {
			id := labels(m)
			switch {
			case m.Histogram != nil:
				all[name+"_count"+id] = float64(m.Histogram.GetSampleCount())
				all[name+"_sum"+id] = m.Histogram.GetSampleSum()
			case m.Summary != nil:
				all[name+"_count"+id] = float64(m.Summary.GetSampleCount())
				all[name+"_sum"+id] = m.Summary.GetSampleSum()
			default:
				all[name+id] = m.Counter.GetValue() + m.Gauge.GetValue()
			}
		}
	}
	return all
}

func labels(m *dto.Metric) string {
	var list []string
	for _, l := range m.GetLabel() {
		list = append(list, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
	}
	if list == nil {
		return ""
	}
	return "{" + strings.Join(list, ",") + "}"
}

// expect compares some samples.
func expect(t *testing.T, got, want map[string]float64) {
	t.Helper()
	for id, value := range want {
		if v, ok := got[id]; !ok || v != value {
			t.Errorf("%s is %v (reported: %t), want %v", id, v, ok, value)
		}
	}
	if t.Failed() {
		var lines []string
		for id, v := range got {
			lines = append(lines, fmt.Sprint(id, " ", v))
		}
		slices.Sort(lines)
		t.Logf("all samples:\n%s", strings.Join(lines, "\n"))
	}
}

// scrape returns the response of a handler.
func scrape(t testing.TB, h http.Handler) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	text, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("status %d, %v:\n%s", w.Code, err, text)
	}
	return string(text)
}

// read returns the text of a file of the repository.
func read(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile("../" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
