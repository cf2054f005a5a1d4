package promignis_test

import (
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/access"
	"github.com/ignis-go/ignis/access/enforce"
	"github.com/ignis-go/ignis/ignistest"
	"github.com/ignis-go/ignis/promignis"
	"github.com/ignis-go/ignis/webhook"
)

// constants returns the texts of the constants in a file whose names match a pattern.
func constants(t *testing.T, file, name string) (texts []string) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^\t`+name+"[^\n=]*= [\"`]([^\"`]+)[\"`]").FindAllStringSubmatch(read(t, file), -1) {
		texts = append(texts, m[1])
	}
	if len(texts) < 3 {
		t.Fatalf("%s has %d constants %s", file, len(texts), name)
	}
	return texts
}

// Prometheus does not see the increase with which a counter appears, so counters exist before the
// first event, for each fixed reason. There are not many of them.
func TestReasonsStartAtZero(t *testing.T) {
	app := httptest.NewServer(nil)
	t.Cleanup(app.Close)
	w, err := webhook.New(webhook.Config{URL: app.URL, Secrets: []string{webhook.NewSecret()}, Logger: discard()})
	if err != nil {
		t.Fatal(err)
	}
	s := ignistest.NewServer(t, ignis.Config{Logger: discard(), Authenticate: anyone})
	policy, err := enforce.New(enforce.Config{Server: func() *ignis.Server { return s.Server }, Logger: discard()})
	if err != nil {
		t.Fatal(err)
	}
	got := values(t, promignis.Config{Recorder: promignis.NewRecorder(), Server: s.Server, Webhook: w, Access: policy})
	has := func(name, label string) bool {
		for id, n := range got {
			if strings.HasPrefix(id, name+"{") && strings.Contains(id, label) && n == 0 {
				return true
			}
		}
		return false
	}
	for _, row := range []struct {
		file, constants, label string
		metrics                []string // one of them
	}{
		{"rooms.go", "refused[A-Z]", "reason", []string{"ignis_join_refusals_total"}},
		{"causes.go", "Cause[A-Z]", "cause", []string{"ignis_closes_total"}},
		{"hooks.go", "Auth[A-Z]", "outcome", []string{"ignis_authentications_total"}},
		{"webhook/causes.go", "Cause[A-Z]", "cause", []string{"ignis_webhook_failures_total"}},
		{"webhook/stats.go", "Lost[A-Z]", "cause", []string{"ignis_webhook_events_lost_total"}},
		{"access/decide.go", "[A-Z]", "reason", []string{"ignis_access_join_refusals_total", "ignis_access_message_refusals_total"}},
		{"access/enforce/messages.go", "[A-Z]", "reason", []string{"ignis_access_message_refusals_total"}},
	} {
		for _, text := range constants(t, row.file, row.constants) {
			if access.Reason(text).BadName() {
				continue
			}
			label := row.label + `="` + text + `"`
			if !slices.ContainsFunc(row.metrics, func(name string) bool { return has(name, label) }) {
				t.Errorf("%s has no series with %s before the first event", row.metrics, label)
			}
		}
	}
	counts := make(map[string]int)
	for id := range got {
		name, _, _ := strings.Cut(id, "{")
		counts[name]++
	}
	for name, n := range counts {
		if n > 40 {
			t.Errorf("%s has %d time series before the first event", name, n)
		}
	}
}

// docs/oncall.md lists the close codes with which each cause is counted.
func TestCloseCodesAreDocumented(t *testing.T) {
	got := values(t, promignis.Config{Recorder: promignis.NewRecorder()})
	rows := regexp.MustCompile("(?m)^\\| (`[a-z ]+`(?:, `[a-z ]+`)*) \\| ([0-9]{4}(?:, [0-9]{4})*) \\|").FindAllStringSubmatch(read(t, oncallFile), -1)
	if len(rows) < 20 {
		t.Fatalf("only %d rows with close codes were found", len(rows))
	}
	for _, row := range rows {
		for cause := range strings.SplitSeq(row[1], ", ") {
			for code := range strings.SplitSeq(row[2], ", ") {
				id := `ignis_closes_total{cause="` + strings.Trim(cause, "`") + `",code="` + code + `"}`
				if _, ok := got[id]; !ok {
					t.Errorf("%s lists %s, which is not counted from the start", oncallFile, id)
				}
			}
		}
	}
}
