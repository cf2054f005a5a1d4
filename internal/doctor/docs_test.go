package doctor

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/ignis-go/ignis/internal/listen"
	"github.com/ignis-go/ignis/redisbus"
)

// docs/doctor.md has a section for each check, in the order of the report, and no others.
func TestChecksAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented, all []string
	for _, m := range regexp.MustCompile(`(?m)^## (.+)$`).FindAllSubmatch(text, -1) {
		documented = append(documented, string(m[1]))
	}
	c := valid()
	c.App.Redis = redisbus.Config{URL: "redis://h"}
	c.App.Listen.TLS = listen.TLS{CertFile: "x", KeyFile: "x"}
	c.App.Webhook.Client.URL, c.PublicURL = "https://h/", "wss://h/ws"
	for _, g := range groups(&c) {
		for _, check := range g.checks {
			all = append(all, check.name)
		}
	}
	// With --acme, these take the place of the checks of the files.
	i := slices.Index(all, "tls.expiry") + 1
	for _, check := range c.acmeGroup().checks {
		if check.name != "tls.expiry" {
			all = slices.Insert(all, i, check.name)
			i++
		}
	}
	if !slices.Equal(documented, all) {
		t.Errorf("docs/doctor.md describes\n%q, and the checks are\n%q", documented, all)
	}
}
