package promignis_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/promignis"
)

const (
	alertsFile    = "ops/prometheus/ignis-alerts.yml"
	alertsTests   = "ops/prometheus/ignis-alerts.test.yml"
	dashboardFile = "ops/grafana/ignis.json"
)

// alert is a rule of the file with alerts.
type alert struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

func alerts(t *testing.T) (all []alert) {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []alert }
	}
	if err := yaml.Unmarshal([]byte(read(t, alertsFile)), &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) < 30 {
		t.Fatalf("only %d alerts were found", len(all))
	}
	return all
}

// panel is a panel of the dashboard.
type panel struct {
	ID          int
	Title, Type string
	GridPos     struct{ X, Y, W, H int }
	Datasource  struct{ UID string }
	Targets     []struct{ Expr string }
}

// dashboard returns the panels of the dashboard, and all queries in it by where they are.
func dashboard(t *testing.T) (panels []panel, queries map[string]string) {
	t.Helper()
	var d struct {
		Panels      []panel
		Annotations struct{ List []struct{ Name, Expr string } }
	}
	if err := json.Unmarshal([]byte(read(t, dashboardFile)), &d); err != nil {
		t.Fatal(err)
	}
	queries = make(map[string]string)
	for _, p := range d.Panels {
		for i, target := range p.Targets {
			queries[fmt.Sprintf("the panel %s, query %c", p.Title, 'A'+i)] = target.Expr
		}
	}
	for _, a := range d.Annotations.List {
		if a.Expr != "" {
			queries["the annotation "+a.Name] = a.Expr
		}
	}
	return d.Panels, queries
}

// known returns the names of all time series, and the labels of each.
func known(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{
		"up":     nil,
		"ALERTS": {"alertname", "alertstate", "severity", "type"},
	}
	add := func(name, kind string, labels []string) {
		switch kind {
		case "histogram":
			all[name+"_bucket"] = append(slices.Clone(labels), "le")
			all[name+"_sum"], all[name+"_count"] = labels, labels
		case "summary":
			all[name+"_sum"], all[name+"_count"] = labels, labels
		default:
			all[name] = labels
		}
	}
	for _, g := range promignis.Groups() {
		for _, f := range g.Families {
			add(f.Name, f.Kind, f.Labels)
		}
	}
	// What the Go client reports, as a scrape shows it.
	for _, m := range regexp.MustCompile(`(?m)^((?:go|process)_\w+)`).FindAllString(scrape(t, promignis.Handler(promignis.Config{})), -1) {
		all[m] = []string{"quantile", "version"}
	}
	return all
}

var (
	// selector matches the names of metrics, and their label matchers if they have some.
	selector = regexp.MustCompile(`\b((?:ignis|go|process)_\w+|up|ALERTS)\b(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"`)
	grouping = regexp.MustCompile(`\bby \(([^)]*)\)`)
	quoted   = regexp.MustCompile(`"[^"]*"`)
)

// checkQuery checks that the metrics of a query exist and have the labels that it uses.
func checkQuery(t *testing.T, where, query string, series map[string][]string) (metrics []string) {
	t.Helper()
	everywhere := []string{"instance", "job"}
	var possible []string
	for _, m := range selector.FindAllStringSubmatch(query, -1) {
		labels, ok := series[m[1]]
		if !ok {
			t.Errorf("%s: there is no metric %s", where, m[1])
			continue
		}
		metrics = append(metrics, m[1])
		possible = append(possible, labels...)
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(labels, l[1]) && !slices.Contains(everywhere, l[1]) {
				t.Errorf("%s: %s has no label %s", where, m[1], l[1])
			}
		}
	}
	for _, m := range grouping.FindAllStringSubmatch(quoted.ReplaceAllString(query, ""), -1) {
		for l := range strings.SplitSeq(m[1], ",") {
			if l = strings.TrimSpace(l); !slices.Contains(possible, l) && !slices.Contains(everywhere, l) {
				t.Errorf("%s: no metric of the query has the label %s", where, l)
			}
		}
	}
	if len(metrics) == 0 {
		t.Errorf("%s: the query has no metric: %s", where, query)
	}
	return metrics
}

// The queries of the alerts and of the dashboard use metrics and labels that exist, and the
// dashboard shows all metrics.
func TestQueries(t *testing.T) {
	series := known(t)
	for _, a := range alerts(t) {
		checkQuery(t, a.Alert, a.Expr, series)
		for name, text := range a.Annotations { // may contain queries
			for _, m := range regexp.MustCompile("printf `([^`]+)`").FindAllStringSubmatch(text, -1) {
				checkQuery(t, a.Alert+", "+name, m[1], series)
			}
		}
	}
	_, queries := dashboard(t)
	shown := make(map[string]bool)
	for where, query := range queries {
		for _, m := range checkQuery(t, where, query, series) {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				shown[strings.TrimSuffix(m, suffix)] = true
			}
			shown[m] = true
		}
	}
	for _, g := range promignis.Groups() {
		for _, f := range g.Families {
			if !shown[f.Name] {
				t.Errorf("the dashboard does not show %s", f.Name)
			}
		}
	}
}

// The text of an alert uses only labels that its query can return.
func TestAlertTexts(t *testing.T) {
	severities := []string{"critical", "warning", "info"}
	for _, a := range alerts(t) {
		if !slices.Contains(severities, a.Labels["severity"]) {
			t.Errorf("%s has the severity %q, want one of %q", a.Alert, a.Labels["severity"], severities)
		}
		if want := "https://github.com/ignis-go/ignis/blob/main/docs/oncall.md#" + strings.ToLower(a.Alert); a.Annotations["runbook_url"] != want {
			t.Errorf("%s has the runbook_url %q, want %q", a.Alert, a.Annotations["runbook_url"], want)
		}
		for _, name := range []string{"summary", "description"} {
			if a.Annotations[name] == "" {
				t.Errorf("%s has no %s", a.Alert, name)
			}
		}
		for _, m := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(a.Annotations["summary"]+a.Annotations["description"], -1) {
			if by := grouping.FindStringSubmatch(a.Expr); by != nil && !regexp.MustCompile(`\b`+m[1]+`\b`).MatchString(by[1]) {
				t.Errorf("%s uses the label %s, by which it does not group", a.Alert, m[1])
			}
		}
	}
}

// The dashboard can be imported: its panels have IDs of their own, do not overlap, and use the
// data source that the user chooses.
func TestDashboard(t *testing.T) {
	panels, _ := dashboard(t)
	ids := make(map[int]bool)
	for i, p := range panels {
		if ids[p.ID] || p.ID == 0 {
			t.Errorf("the panel %s has the ID %d of another panel, or none", p.Title, p.ID)
		}
		ids[p.ID] = true
		if p.Type != "row" && (p.Datasource.UID != "${datasource}" || len(p.Targets) == 0) {
			t.Errorf("the panel %s has the data source %q and %d queries", p.Title, p.Datasource.UID, len(p.Targets))
		}
		if p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("the panel %s is too wide", p.Title)
		}
		for _, q := range panels[:i] {
			a, b := p.GridPos, q.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("the panels %s and %s overlap", p.Title, q.Title)
			}
		}
	}
}

// promtool returns a function that runs promtool, or skips the test.
func promtool(t *testing.T) func(args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		const text = "promtool is missing; install the package prometheus of Debian"
		if os.Getenv("TEST_REQUIRE_PROMTOOL") == "1" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
	return func(args ...string) {
		t.Helper()
		if out, err := childproc.CommandContext(t.Context(), path, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// Prometheus accepts the alerts, and they fire when they should.
func TestAlertsWithPromtool(t *testing.T) {
	longtest.Mark(t)
	run := promtool(t)
	run("check", "rules", "../"+alertsFile)
	run("test", "rules", "../"+alertsTests)
	tests := read(t, alertsTests)
	for _, a := range alerts(t) {
		if !strings.Contains(tests, `alertname="`+a.Alert+`"`) {
			t.Errorf("%s has no test for %s", alertsTests, a.Alert)
		}
	}
}

// Prometheus accepts the queries of the dashboard. They are checked as recording rules,
// because promtool cannot check queries alone.
func TestDashboardWithPromtool(t *testing.T) {
	run := promtool(t)
	_, queries := dashboard(t)
	variables := strings.NewReplacer("$__rate_interval", "5m", "$__interval", "1m", "$job", "ignis", "$instance", ".*")
	type rule struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var rules []rule
	for i, where := range slices.Sorted(maps.Keys(queries)) {
		query := variables.Replace(queries[where])
		if strings.Contains(query, "$") {
			t.Errorf("%s has an unknown variable: %s", where, query)
		}
		rules = append(rules, rule{fmt.Sprintf("query_%d", i), query})
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	write(t, file, string(text))
	run("check", "rules", file)
}

// Prometheus accepts what a scrape returns, without remarks on names or descriptions.
func TestScrapeWithPromtool(t *testing.T) {
	promtool(t)
	cmd := childproc.CommandContext(t.Context(), "promtool", "check", "metrics")
	text := scrape(t, promignis.Handler(everything(t)))
	var ours []string
	for line := range strings.Lines(text) { // the Go client has some names against its own rules
		if strings.Contains(line, "ignis_") {
			ours = append(ours, line)
		}
	}
	cmd.Stdin = strings.NewReader(strings.Join(ours, ""))
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}
