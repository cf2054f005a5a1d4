package main

import (
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/internal/doctest"
)

// The lines about an expired token in docs/logs.md are what the program writes.
func TestLogSamples(t *testing.T) {
	t.Parallel()
	p, address := serve(t, []string{"IGNIS_JWT_SECRET=" + testKey})
	for _, user := range []string{"ann", "bob", "bob"} {
		token := sign(t, testKey, map[string]any{"sub": user, "exp": 5})
		if _, err := client.Dial(withTimeout(t), "ws://"+address+"/ws", client.Config{Credentials: map[string]string{"token": token}}); err == nil {
			t.Error("an expired token was accepted")
		}
	}
	p.signal(syscall.SIGTERM)
	p.wait() // it has written how many lines were left out
	samples := regexp.MustCompile(`(?m)^time=.* msg="client rejected" .*$`).FindAllString(doctest.Read(t, "docs/logs.md"), -1)
	if len(samples) != 2 {
		t.Errorf("docs/logs.md has %d samples", len(samples))
	}
	differs := regexp.MustCompile(`^(time|server|more|in_the_last|(latest\\\.)?(client|remote))=.*$`) // each time
	for _, sample := range samples {
		attributes := strings.Split(regexp.QuoteMeta(sample), " ")
		for i, a := range attributes {
			if m := differs.FindStringSubmatch(a); m != nil {
				attributes[i] = m[1] + `=\S+`
			}
		}
		if !regexp.MustCompile(`(?m)^` + strings.Join(attributes, " ") + `$`).MatchString(p.errors.text()) {
			t.Errorf("docs/logs.md shows\n%s\nbut the program has written\n%s", sample, p.errors.text())
		}
	}
}
