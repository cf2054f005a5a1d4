package main

import (
	"encoding/json"
	"html"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/app"
	"github.com/ignis-go/ignis/internal/redistest"
)

// terminalOf returns what the page of a server says about running commands.
func terminalOf(t *testing.T, address string) (terminal app.Terminal) {
	t.Helper()
	_, _, page := get(t, "http://"+address+"/")
	found := regexp.MustCompile(`data-terminal="([^"]*)"`).FindStringSubmatch(page)
	if found == nil {
		t.Fatalf("the page has no data-terminal:\n%s", page)
	}
	if err := json.Unmarshal([]byte(html.UnescapeString(found[1])), &terminal); err != nil {
		t.Fatal(err)
	}
	return terminal
}

// The commands on the page run this program with the Redis of the server.
func TestDevelopmentPageKnowsTheTerminal(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	_, address := serve(t, nil, "--dev", "--redis", redis.URL(), "--prefix", "it's:")
	got := terminalOf(t, address)
	if want := []string{"--redis", redis.URL(), "--prefix", "it's:"}; !reflect.DeepEqual(got.Redis, want) {
		t.Errorf("the flags are %q, want %q", got.Redis, want)
	}
	if !reflect.DeepEqual(got.Program, []string{"ignis"}) { // the tests have it in PATH
		t.Errorf("the program is %q", got.Program)
	}
	_, address = serve(t, nil, "--dev")
	if got := terminalOf(t, address); len(got.Redis) > 0 {
		t.Errorf("without Redis, the flags are %q", got.Redis)
	}
}

func TestCommandWords(t *testing.T) {
	directory := t.TempDir()
	executable := filepath.Join(directory, "ignis")
	if err := os.WriteFile(executable, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", directory)
	built := filepath.Join(string(filepath.Separator)+"tmp", "go-build1", "b001", "exe", "ignis")
	for _, row := range []struct{ typed, executable, want string }{
		{"./bin/ignis", executable, "./bin/ignis"},
		{"ignis", executable, "ignis"},
		{"ignis", filepath.Join(directory, "other"), filepath.Join(directory, "other")}, // PATH leads to another one
		{built, built, "go run github.com/ignis-go/ignis/cmd/ignis"},
	} {
		if got := strings.Join(commandWords(row.typed, row.executable), " "); got != row.want {
			t.Errorf("%s in %s becomes %s, want %s", row.typed, row.executable, got, row.want)
		}
	}
}

func TestRedisArguments(t *testing.T) {
	for _, row := range []struct{ url, file, prefix, want string }{
		{"", "", "shop:", ""},
		{"redis://127.0.0.1:6379", "", "", "--redis redis://127.0.0.1:6379"},
		{"redis://ann:s3cret@10.0.0.1/2", "", "shop:", "--redis redis://ann:PASSWORD@10.0.0.1/2 --prefix shop:"},
		{"redis://:s3@cr:et@h", "", "", "--redis redis://:PASSWORD@h"},
		{"redis+sentinel://a:1,b:2/m?sentinel_password=s3cret&x=1", "", "", "--redis redis+sentinel://a:1,b:2/m?sentinel_password=PASSWORD&x=1"},
		{"", "/run/secrets/redis", "", "--redis-file /run/secrets/redis"},
	} {
		f := redisFlags{RedisFile: row.file, Prefix: channelPrefix(row.prefix)}
		if got := strings.Join(f.arguments(row.url), " "); got != row.want {
			t.Errorf("%s: got %s, want %s", row.url, got, row.want)
		}
	}
}
