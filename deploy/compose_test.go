package deploy_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/testprog"
)

// Prometheus accepts the configuration in the Compose file, with the alerts beside it.
func TestComposePrometheus(t *testing.T) {
	t.Parallel()
	promtool := testprog.Require(t, "TEST_REQUIRE_PROMTOOL", "promtool", "this test checks a configuration with it")
	dir := t.TempDir()
	write(t, filepath.Join(dir, "prometheus.yml"), read(t, "compose/prometheus.yml"), 0o644)
	write(t, filepath.Join(dir, "ignis-alerts.yml"), read(t, "../ops/prometheus/ignis-alerts.yml"), 0o644)
	text, err := childproc.Command(promtool, "check", "config", filepath.Join(dir, "prometheus.yml")).CombinedOutput()
	if err != nil || !strings.Contains(string(text), "1 rule files found") {
		t.Errorf("%v\n%s", err, text)
	}
}

// The files that the Compose file mounts name each other's paths, ports and services.
func TestComposeFilesFit(t *testing.T) {
	t.Parallel()
	compose := read(t, "compose.yaml")
	for file, wants := range map[string][]string{
		"compose/prometheus.yml":    {"job_name: ignis ", "names: [ignis]", "port: 9464", "- ignis-alerts.yml"},
		"compose/datasource.yml":    {"url: http://prometheus:9090"},
		"compose/dashboards.yml":    {"path: /var/lib/grafana/dashboards\n"},
		"docker/ignis.yaml":         {"listen: 0.0.0.0:9464"},
		"../ops/grafana/ignis.json": {`"uid": "ignis"`},
	} {
		for _, want := range wants {
			if !strings.Contains(read(t, file), want) {
				t.Errorf("%s does not contain %q", file, want)
			}
		}
	}
	for _, want := range []string{
		"\n  prometheus:\n", "\n  ignis:\n", "redis://redis:6379", "\n  redis:\n", "http://127.0.0.1:3000/d/ignis.",
		"/ignis-alerts.yml:/etc/prometheus/ignis-alerts.yml:ro", "/prometheus.yml:/etc/prometheus/prometheus.yml:ro",
		":/var/lib/grafana/dashboards/ignis.json:ro",
	} {
		if !strings.Contains(compose, want) {
			t.Errorf("compose.yaml does not contain %q", want)
		}
	}
}
