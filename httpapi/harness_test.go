package httpapi_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/httpapi"
	"github.com/ignis-go/ignis/ignistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// deadline is how long a test waits for something that should happen soon.
const deadline = time.Minute

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// node is a server with an API, each behind a listener of its own.
type node struct {
	*ignistest.Server
	t    testing.TB
	api  *httpapi.Handler
	url  string // of the API
	log  *logBuffer
	http *http.Client
	keys map[string]string // by ID
}

// setup configures a node.
type setup struct {
	bus    ignis.Bus
	server ignis.Config
	api    httpapi.Config
	keys   []httpapi.Key // besides those below
}

// The keys that every node has, with the scopes of their names.
var scopes = map[string][]httpapi.Scope{
	"all":     {httpapi.ScopePublish, httpapi.ScopeRead, httpapi.ScopeManage},
	"publish": {httpapi.ScopePublish},
	"read":    {httpapi.ScopeRead},
	"manage":  {httpapi.ScopeManage},
}

// start runs a node. Clients of its server are who their credentials say.
func start(t testing.TB, s setup) *node {
	t.Helper()
	n := &node{t: t, log: new(logBuffer), keys: make(map[string]string)}
	logger := slog.New(slog.NewTextHandler(n.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.server.Bus, s.server.Logger = s.bus, logger
	if s.server.Authenticate == nil {
		s.server.Authenticate = func(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
			var who struct{ User, Token string }
			err := c.Decode(&who)
			return ignis.Identity{UserID: who.User, TokenID: who.Token, IssuedAt: time.Now()}, err
		}
	}
	s.server.ValidateRooms = func(_ context.Context, _ *ignis.Client, rooms []string) ([]string, error) { return rooms, nil }
	n.Server = ignistest.NewServer(t, s.server)
	s.api.Server, s.api.Logger, s.api.Prefix = n.Server.Server, logger, "/api"
	for id, scopes := range scopes {
		s.keys = append(s.keys, httpapi.Key{ID: id, Scopes: scopes})
	}
	for _, k := range s.keys {
		key, hash, err := httpapi.NewKey(k.ID)
		if err != nil {
			t.Fatal(err)
		}
		n.keys[k.ID] = key
		k.Hashes = append(k.Hashes, hash)
		s.api.Keys = append(s.api.Keys, k)
	}
	api, err := httpapi.New(s.api)
	if err != nil {
		t.Fatal(err)
	}
	n.api = api
	web := httptest.NewServer(api)
	t.Cleanup(web.Close)
	n.url, n.http = web.URL+"/api", web.Client()
	t.Cleanup(func() {
		for id, key := range n.keys {
			if strings.Contains(n.log.String(), key) {
				t.Errorf("the key %s is in the log", id)
			}
		}
	})
	return n
}

// dial connects a client of a user.
func (n *node) dial(user string) *ignistest.Client {
	n.t.Helper()
	return n.DialConfig(n.t, client.Config{Credentials: map[string]string{"user": user}})
}

// answer is an answer of the API.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	body   string
}

// do sends a request with the key of an ID. The headers are names and values.
func (n *node) do(keyID, method, path, body string, headers ...string) answer {
	n.t.Helper()
	r, err := http.NewRequestWithContext(n.t.Context(), method, n.url+path, strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	if keyID != "" {
		r.Header.Set("Authorization", "Bearer "+n.keys[keyID])
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return n.send(r)
}

func (n *node) send(r *http.Request) answer {
	n.t.Helper()
	res, err := n.http.Do(r)
	if err != nil {
		n.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return answer{n.t, res.StatusCode, res.Header, strings.TrimSpace(string(text))}
}

func (n *node) post(path, body string, headers ...string) answer {
	n.t.Helper()
	return n.do("all", http.MethodPost, path, body, headers...)
}

func (n *node) get(path string) answer {
	n.t.Helper()
	return n.do("all", http.MethodGet, path, "")
}

// ok checks that the request has succeeded with a body.
func (a answer) ok(body string) answer {
	a.t.Helper()
	if a.status != http.StatusOK || a.body != body || a.header.Get("Content-Type") != "application/json" {
		a.t.Errorf("answered %d %s %s, want %s", a.status, a.header.Get("Content-Type"), a.body, body)
	}
	return a
}

// decode decodes the body of a request that has succeeded.
func (a answer) decode(v any) {
	a.t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil || a.status != http.StatusOK {
		a.t.Fatalf("answered %d %s: %v", a.status, a.body, err)
	}
}

// problem is what the tests read of a problem.
type problem struct {
	Type, Title, Detail, RequestID string
	Status                         int
	Errors                         []struct{ Location, Message string }
	LocalRecipients, LocalClients  *int
	Messages                       []struct {
		LocalRecipients int
		HandedToBus     *bool
	}
}

// problem checks that the request was refused with a kind of problem, and returns it.
func (a answer) problem(status int, kind string) problem {
	a.t.Helper()
	var p problem
	err := json.Unmarshal([]byte(a.body), &p)
	if err != nil || a.status != status || p.Status != status || p.Type != "urn:ignis:problem:"+kind || p.Title == "" ||
		a.header.Get("Content-Type") != "application/problem+json" || p.RequestID == "" || p.RequestID != a.header.Get("X-Request-Id") {
		a.t.Errorf("answered %d %s %s, %v; want %d %s", a.status, a.header, a.body, err, status, kind)
	}
	return p
}
