package interop

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/redistest"
)

// server is a running server of either kind.
type server struct {
	*process
	kind string // "ignis" or "reference"
	url  string // http://...
}

// settings configure a server. Zero values are the server's defaults.
type settings struct {
	secret            string // secret for tokens, empty for development mode
	authTimeout       time.Duration
	heartbeatInterval time.Duration
	heartbeatTimeout  time.Duration
	encryption        string // value of --encryption; only for the program
	handshake         string // outcome of the handshake; not for the program
}

const (
	kindIgnis     = "ignis"
	kindReference = "reference"
)

// startServer starts a server of one kind and returns when clients can connect.
func startServer(t *testing.T, kind string, redis *redistest.Server, c settings) *server {
	t.Helper()
	if kind == kindIgnis {
		return startIgnis(t, redis, c)
	}
	return startReference(t, redis, c)
}

var listening = regexp.MustCompile(`listening on (http://\S+)`)

func startIgnis(t *testing.T, redis *redistest.Server, c settings) *server {
	t.Helper()
	argv := []string{program, "serve", "--listen", "127.0.0.1:0", "--redis", redis.URL(), "--log-level", "debug", "--auth-max-mistakes", "100", "--auth-max-payload", "128KiB"}
	if c.secret == "" {
		argv = append(argv, "--dev")
	} else {
		file := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(file, []byte(c.secret), 0o600); err != nil {
			t.Fatal(err)
		}
		argv = append(argv, "--jwt-secret-file", file)
	}
	if c.encryption != "" {
		argv = append(argv, "--encryption", c.encryption)
	}
	for flag, d := range map[string]time.Duration{
		"--auth-timeout":       c.authTimeout,
		"--heartbeat-interval": c.heartbeatInterval,
		"--heartbeat-timeout":  c.heartbeatTimeout,
	} {
		if d != 0 {
			argv = append(argv, flag, d.String())
		}
	}
	p := start(t, kindIgnis, listening.MatchString, nil, argv...)
	return &server{process: p, kind: kindIgnis, url: listening.FindStringSubmatch(p.next())[1]}
}

func startReference(t *testing.T, redis *redistest.Server, c settings) *server {
	t.Helper()
	env := redisEnvironment(redis)
	for name, d := range map[string]time.Duration{
		"AUTH_TIMEOUT":       c.authTimeout,
		"HEARTBEAT_INTERVAL": c.heartbeatInterval,
		"HEARTBEAT_TIMEOUT":  c.heartbeatTimeout,
	} {
		if d != 0 {
			env = append(env, fmt.Sprintf("%s=%d", name, d.Milliseconds()))
		}
	}
	if c.secret != "" {
		env = append(env, "JWT_SECRET="+c.secret)
	}
	if c.handshake != "" {
		env = append(env, "HANDSHAKE="+c.handshake)
	}
	p := startBun(t, "server.js", env)
	var hello struct{ URL string }
	p.decode(p.next(), &hello)
	return &server{process: p, kind: kindReference, url: hello.URL}
}

// startEmitter starts the reference's emitter. Its method call sends messages.
func startEmitter(t *testing.T, redis *redistest.Server) *process {
	t.Helper()
	p := startBun(t, "emitter.js", redisEnvironment(redis))
	p.next()
	return p
}

func redisEnvironment(redis *redistest.Server) []string {
	return []string{"REDIS_PORT=" + strconv.Itoa(redis.Port())}
}

// startBun runs one of the scripts in bun. Its messages to the test start with an @.
func startBun(t *testing.T, script string, env []string) *process {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("bun", script))
	if err != nil {
		t.Fatal(err)
	}
	isMessage := func(line string) bool { return strings.HasPrefix(line, "@") }
	p := start(t, "bun "+script, isMessage, env, bun, path)
	p.exitsAtEOF = true
	return p
}

func (p *process) decode(line string, v any) {
	p.t.Helper()
	if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "@")), v); err != nil {
		p.t.Fatalf("%s said %s: %v", p.name, line, err)
	}
}

// options contains the arguments of a method of the reference.
type options map[string]any

// call makes a Bun script call a method of the reference, and waits for the result.
func (p *process) call(method string, opts options) {
	p.t.Helper()
	p.calls++
	id := strconv.Itoa(p.calls)
	request, err := json.Marshal(map[string]any{"re": id, "call": method, "opts": opts})
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.in.Write(append(request, '\n')); err != nil {
		p.t.Fatalf("%s: %v\n%s", p.name, err, p.output())
	}
	var answer struct{ Re, Error string }
	if p.decode(p.next(), &answer); answer.Re != id || answer.Error != "" {
		p.t.Fatalf("%s %s: got %+v", p.name, method, answer)
	}
}
