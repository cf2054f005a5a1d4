package redisbus_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/redisbus"
)

// docs/redis.md quotes texts of the log and of Health that exist, and counters that Stats
// has.
func TestTextsInTheDocumentation(t *testing.T) {
	page := read(t, "../docs/redis.md")
	var code strings.Builder
	for _, dir := range []string{".", "../cron/rediscron"} {
		files, err := filepath.Glob(dir + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				code.WriteString(read(t, file))
			}
		}
	}
	quotes := regexp.MustCompile("`([^`\n]+)`")
	exists := func(text string) {
		t.Helper()
		if text, _, _ = strings.Cut(text, " ..."); !strings.Contains(code.String(), text) {
			if text, _, _ = strings.Cut(text, ": "); !strings.Contains(code.String(), text) {
				t.Errorf("docs/redis.md quotes %q, which is not in the code", text)
			}
		}
	}
	for line := range strings.Lines(page) {
		cells := strings.Split(strings.Trim(line, "|\n "), "|")
		if !strings.HasPrefix(line, "| ") || len(cells) != 6 {
			continue
		}
		for _, m := range quotes.FindAllStringSubmatch(cells[4], -1) {
			if _, ok := reflect.TypeFor[redisbus.Stats]().FieldByName(m[1]); !ok {
				t.Errorf("docs/redis.md names the counter %s, which Stats does not have", m[1])
			}
		}
		for _, m := range quotes.FindAllStringSubmatch(cells[3]+cells[5], -1) {
			if !strings.ContainsAny(m[1], "=/") { // attributes and paths
				exists(m[1])
			}
		}
	}
	for _, m := range quotes.FindAllStringSubmatch(page, -1) {
		if regexp.MustCompile(`^[a-z]+( [a-z]+){2,}$`).MatchString(m[1]) && !strings.HasPrefix(m[1], "ignis ") {
			exists(m[1])
		}
	}
}

// docs/limits.md states the defaults of the limits.
func TestLimitsInTheDocumentation(t *testing.T) {
	page := read(t, "../docs/limits.md")
	queue := fmt.Sprintf("`QueueMessages`, `QueueBytes` | %d, and %d MiB |", redisbus.DefaultQueueMessages, redisbus.DefaultQueueBytes>>20)
	for _, want := range []string{
		queue,
		fmt.Sprintf("`QueueAge` | %.0f s |", redisbus.DefaultQueueAge.Seconds()),
		fmt.Sprintf("`MaxIncoming` | %d MiB |", redisbus.DefaultMaxIncoming>>20),
	} {
		if !strings.Contains(page, want) {
			t.Errorf("docs/limits.md does not contain %s", want)
		}
	}
	for _, m := range regexp.MustCompile("`redisbus\\.Stats\\.(\\w+)`").FindAllStringSubmatch(page, -1) {
		if _, ok := reflect.TypeFor[redisbus.Stats]().FieldByName(m[1]); !ok {
			t.Errorf("docs/limits.md names the counter %s, which Stats does not have", m[1])
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
