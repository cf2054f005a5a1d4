package doctor

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/app"
	"github.com/ignis-go/ignis/internal/listen"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testSecret is a secret for tokens.
const testSecret = "s3cr3t-s3cr3t-s3cr3t-s3cr3t-s3cr3t"

// valid returns a valid configuration.
func valid() Config {
	return Config{Timeout: DefaultTimeout, Clients: DefaultClients, App: app.Config{
		Listen:    listen.Config{Addresses: []listen.Address{{Network: listen.TCP, Name: "127.0.0.1:0"}}},
		Path:      "/ws",
		JWTSecret: []byte(testSecret),
		Server:    ignis.Config{MaxClients: 20_000},
	}}
}

// examine runs one of the groups.
func examine(t *testing.T, c Config, g func(*Config) group) []Finding {
	t.Helper()
	gr := g(&c)
	found := gr.run(t.Context(), c.Timeout)
	for _, f := range found {
		if f.Text == "" || (f.Advice == "") == (f.Status == Warn || f.Status == Fail) {
			t.Errorf("a finding needs a text, and advice if it is bad: %+v", f)
		}
		if strings.Contains(f.Text+f.Advice, "s3cr3t") {
			t.Errorf("a secret is shown: %+v", f)
		}
	}
	return found
}

// want checks that the findings of a check are exactly those, each described by its status and
// a part of its text or advice, such as "fail: is a replica".
func want(t *testing.T, found []Finding, check string, descriptions ...string) {
	t.Helper()
	var got []string
	for _, f := range found {
		if f.Check == check {
			got = append(got, fmt.Sprintf("%s: %s -> %s", f.Status, f.Text, f.Advice))
		}
	}
	matches := len(got) == len(descriptions)
	for i := 0; matches && i < len(got); i++ {
		status, part, _ := strings.Cut(descriptions[i], ": ")
		matches = strings.HasPrefix(got[i], status+": ") && strings.Contains(got[i], part)
	}
	if !matches {
		t.Errorf("%s found\n\t%s\nwant\n\t%s", check, strings.Join(got, "\n\t"), strings.Join(descriptions, "\n\t"))
	}
}

// returns is a check that has found something.
func returns(list ...Finding) func(context.Context) []Finding {
	return func(context.Context) []Finding { return list }
}
