package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/httpapi"
)

const hello = `{"to":{"user":"ann"},"event":"hello"}`

// A malformed or wrong key is refused, and the answer does not say why.
func TestWrongKeys(t *testing.T) {
	n := start(t, setup{api: httpapi.Config{MaxFailures: -1}})
	ann := n.dial("ann")
	good := n.keys["publish"]
	id, secret, _ := strings.Cut(good, ".")
	n.do("", "POST", "/v1/publish", hello).problem(401, "unauthorized")
	answers := make(map[string]bool)
	for _, header := range []string{
		"", " ", "Bearer", "Bearer ", good, "Basic " + good, "Bearer" + good, "Bearer x" + good, "Bearer " + good + "x", "Bearer " + good[:len(good)-1],
		"Bearer " + id, "Bearer " + id + ".", "Bearer ." + secret, "Bearer " + secret, "Bearer " + id + "." + id, "Bearer other." + secret, "Bearer read." + secret,
		"Bearer " + strings.ToUpper(good), "Bearer " + good + "." + secret, "Bearer " + good + " ", "Bearer " + good + ", Bearer " + good, "Token " + good,
		"Bearer " + httpapi.HashKey(good), "Bearer " + id + "." + httpapi.HashKey(good), "Bearer " + id + "." + strings.Repeat("x", 7000), "Bearer " + id + "." + strings.Repeat("\x00", 30),
		"Bearer null", "Bearer undefined", "Bearer publish.\xff\xfe",
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.url+"/v1/publish", strings.NewReader(hello))
		if err != nil {
			t.Fatal(err)
		}
		r.Header["Authorization"] = []string{header}
		if strings.ContainsAny(header, "\x00") {
			continue // package net/http does not send it
		}
		if strings.HasSuffix(header, good+" ") {
			continue // white space around a header does not belong to it
		}
		a := n.send(r)
		p := a.problem(401, "unauthorized")
		if a.header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%.80q: headers %v", header, a.header)
		}
		answers[p.Detail] = true
	}
	if len(answers) != 1 {
		t.Errorf("the answers differ: %v", answers)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.url+"/v1/publish", strings.NewReader(hello))
	if err != nil {
		t.Fatal(err)
	}
	r.Header["Authorization"] = []string{"Bearer " + good, "Bearer " + n.keys["read"]}
	n.send(r).problem(401, "unauthorized")
	// A key in the URL is not accepted: it would be in logs.
	n.do("", "POST", "/v1/publish?key="+good+"&access_token="+good, hello).problem(401, "unauthorized")
	for _, scheme := range []string{"Bearer ", "bearer ", "BEARER  "} {
		n.do("", "POST", "/v1/publish", hello, "Authorization", scheme+good).ok(`{"localRecipients":1}`)
		ann.Expect("hello", nil)
	}
	if s := n.api.Stats(); s.Unauthorized == 0 || s.Unauthorized != s.Requests-3 {
		t.Errorf("stats %+v", s)
	}
}

// A key allows the operations of its scopes, and no others. Whether the key is right is checked
// before anything else.
func TestScopes(t *testing.T) {
	n := start(t, setup{})
	for _, row := range []struct{ scope, method, path, body string }{
		{"publish", "POST", "/v1/publish", hello},
		{"publish", "POST", "/v1/publish/batch", `{"messages":[` + hello + `]}`},
		{"manage", "POST", "/v1/disconnect", `{"to":{"user":"ann"}}`},
		{"manage", "POST", "/v1/join", `{"to":{"user":"ann"},"rooms":["a"]}`},
		{"manage", "POST", "/v1/leave", `{"to":{"user":"ann"},"rooms":["a"]}`},
		{"manage", "POST", "/v1/revoke", `{"user":"ann","until":"2100-01-01T00:00:00Z"}`},
		{"read", "GET", "/v1/clients", ""},
		{"read", "GET", "/v1/clients/x", ""},
		{"read", "GET", "/v1/users", ""},
		{"read", "GET", "/v1/rooms", ""},
		{"read", "GET", "/v1/counts", ""},
		{"read", "GET", "/v1/state", ""},
	} {
		for _, key := range []string{"publish", "read", "manage", "all", ""} {
			a := n.do(key, row.method, row.path, row.body)
			switch {
			case key == "":
				a.problem(401, "unauthorized")
			case key == row.scope || key == "all":
				if a.status != 200 && (a.status != 404 || row.path != "/v1/clients/x") {
					t.Errorf("%s with the key %s: %d %s", row.path, key, a.status, a.body)
				}
			default:
				a.problem(403, "forbidden")
			}
		}
		n.do("", row.method, row.path, "{").problem(401, "unauthorized")
	}
	if s := n.api.Stats(); s.Forbidden != 24 || s.Unauthorized != 24 {
		t.Errorf("stats %+v", s)
	}
}

// A key that is restricted to some rooms allows nothing that concerns others.
func TestRestrictedKeys(t *testing.T) {
	n := start(t, setup{keys: []httpapi.Key{{ID: "team", Scopes: scopes["all"], Rooms: []string{"team-*", "lobby", "*-public-*x"}}}})
	ann := n.dial("ann")
	ann.Join("team-red", "lobby", "secret")
	post := func(path, body string) answer { t.Helper(); return n.do("team", "POST", path, body) }
	for room, allowed := range map[string]bool{
		"team-red": true, "team-": true, "lobby": true, "a-public-x": true, "-public-x": true, "a-public-public-xx": true, "team-\x00": true,
		"team": false, "Team-red": false, "xteam-red": false, "lobby2": false, "a-public": false, "a-public-xy": false, "*": false, "secret": false, " lobby": false,
	} {
		publish := post("/v1/publish", fmt.Sprintf(`{"to":{"room":%q},"event":"x"}`, strings.ReplaceAll(room, "\x00", "0")))
		join := post("/v1/join", fmt.Sprintf(`{"to":{"user":"cat"},"rooms":["lobby",%q]}`, strings.ReplaceAll(room, "\x00", "0")))
		if want := map[bool]int{true: 200, false: 403}[allowed]; publish.status != want || join.status != want {
			t.Errorf("room %q: %s, %s, want %d", room, publish.body, join.body, want)
		}
	}
	for _, to := range []string{`{"user":"ann"}`, `{"client":"x"}`, `{"everyone":true}`, `[{"room":"lobby"},{"room":"secret"}]`, `[{"room":"lobby"},{"user":"ann"}]`} {
		post("/v1/publish", `{"to":`+to+`,"event":"bad"}`).problem(403, "forbidden")
		post("/v1/publish/batch", `{"messages":[{"to":{"room":"lobby"},"event":"bad"},{"to":`+to+`,"event":"bad"}]}`).problem(403, "forbidden")
	}
	post("/v1/disconnect", `{"to":{"room":"lobby"}}`).problem(403, "forbidden")
	post("/v1/disconnect", `{"to":{"user":"ann"}}`).problem(403, "forbidden")
	post("/v1/revoke", `{"user":"ann","until":"2100-01-01T00:00:00Z"}`).problem(403, "forbidden")
	post("/v1/join", `{"to":{"room":"secret"},"rooms":["lobby"]}`).problem(403, "forbidden")
	post("/v1/join", `{"to":{"everyone":true},"rooms":["lobby"]}`).problem(403, "forbidden")
	post("/v1/leave", `{"to":{"user":"ann"},"rooms":["secret"]}`).problem(403, "forbidden")
	post("/v1/leave", `{"to":{"room":"lobby"},"rooms":["team-red"]}`).ok(`{"localClients":1}`)
	get := func(path string) answer { t.Helper(); return n.do("team", "GET", path, "") }
	for _, path := range []string{"/v1/clients", "/v1/clients?room=secret", "/v1/clients?user=ann", "/v1/users", "/v1/clients/" + ann.ID()} {
		get(path).problem(403, "forbidden")
	}
	var clients struct{ Clients []struct{ ID string } }
	get("/v1/clients?room=lobby").decode(&clients)
	if len(clients.Clients) != 1 || clients.Clients[0].ID != ann.ID() {
		t.Errorf("clients %+v", clients)
	}
	if a := get("/v1/rooms"); strings.Contains(a.body, "secret") || strings.Contains(a.body, "ws-default") || !strings.Contains(a.body, "lobby") || strings.Contains(a.body, "total") {
		t.Errorf("rooms %s", a.body)
	}
	for _, room := range []string{"lobby", "lobby"} {
		ann.Expect("x", nil)
		_ = room
		break
	}
}

// During a rotation, several keys with the same ID are valid.
func TestRotation(t *testing.T) {
	old, hash, err := httpapi.NewKey("worker")
	if err != nil {
		t.Fatal(err)
	}
	n := start(t, setup{keys: []httpapi.Key{{ID: "worker", Hashes: []string{hash}, Scopes: scopes["publish"]}}})
	for _, key := range []string{old, n.keys["worker"]} {
		n.do("", "POST", "/v1/publish", hello, "Authorization", "Bearer "+key).ok(`{"localRecipients":0}`)
	}
}

// After too many wrong keys from an address, the address may not use the key of that ID. Other
// keys and other addresses are not affected.
func TestTooManyFailures(t *testing.T) {
	n := start(t, setup{api: httpapi.Config{MaxFailures: 3, RemoteAddr: func(r *http.Request) string { return r.Header.Get("X-Test-Addr") }}})
	from := func(addr, key string) answer {
		t.Helper()
		return n.do("", "POST", "/v1/publish", hello, "Authorization", "Bearer "+key, "X-Test-Addr", addr)
	}
	good, other := n.keys["publish"], n.keys["all"]
	for range 3 {
		from("192.0.2.1:1", "publish.wrong").problem(401, "unauthorized")
	}
	a := from("192.0.2.1:2", "publish.wrong")
	a.problem(429, "too-many-failures")
	if a.header.Get("Retry-After") != "60" {
		t.Errorf("headers %v", a.header)
	}
	from("192.0.2.1", good).problem(429, "too-many-failures") // an attempt may be right
	from("::ffff:192.0.2.1", good).problem(429, "too-many-failures")
	from("192.0.2.1:3", other).ok(`{"localRecipients":0}`)
	from("192.0.2.2:3", good).ok(`{"localRecipients":0}`)
	// Keys with unknown IDs count together.
	for i := range 3 {
		from("192.0.2.1:1", fmt.Sprintf("unknown%d.wrong", i)).problem(401, "unauthorized")
	}
	from("192.0.2.1:1", "another.wrong").problem(429, "too-many-failures")
	from("192.0.2.1:1", "").problem(429, "too-many-failures")
	from("192.0.2.1:3", other).ok(`{"localRecipients":0}`)
	// A network of 64 bits counts as one address.
	for i := range 3 {
		from(fmt.Sprintf("[2001:db8::%x]:1", i), "publish.wrong").problem(401, "unauthorized")
	}
	from("2001:db8::ffff", good).problem(429, "too-many-failures")
	from("2001:db8:0:1::1", good).ok(`{"localRecipients":0}`)
	// A name, as of a Unix socket, is an address as well.
	for range 3 {
		from("@", "publish.wrong").problem(401, "unauthorized")
	}
	from("@", good).problem(429, "too-many-failures")
	if s := n.api.Stats(); s.TooManyFailures != 7 || s.Unauthorized != 12 {
		t.Errorf("stats %+v", s)
	}
	if log := n.log.String(); !strings.Contains(log, "wrong key") || strings.Contains(log, "publish.wrong") {
		t.Errorf("log %s", log)
	}
}

func TestKeysAndHashes(t *testing.T) {
	seen := make(map[string]bool)
	for range 100 {
		key, hash, err := httpapi.NewKey("some_ID-1")
		if err != nil || !strings.HasPrefix(key, "some_ID-1.") || len(key) != 53 || hash != httpapi.HashKey(key) || !strings.HasPrefix(hash, "sha256:") || len(hash) != 71 {
			t.Fatalf("NewKey = %s, %s, %v", key, hash, err)
		}
		if seen[key] || strings.Contains(hash, key) {
			t.Errorf("key %s, hash %s", key, hash)
		}
		seen[key] = true
	}
	for _, id := range []string{"", "a.b", "a b", "é", strings.Repeat("x", 65), "a\n"} {
		if _, _, err := httpapi.NewKey(id); err == nil {
			t.Errorf("the ID %q is accepted", id)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	n := start(t, setup{})
	hash := httpapi.HashKey("x.y")
	key := httpapi.Key{ID: "x", Hashes: []string{hash}, Scopes: scopes["read"]}
	with := func(change func(*httpapi.Key)) []httpapi.Key { k := key; change(&k); return []httpapi.Key{k} }
	for want, c := range map[string]httpapi.Config{
		"Config.Server is required":                         {Keys: []httpapi.Key{key}},
		"Config.Keys is required":                           {Server: n.Server.Server},
		"two keys have the ID x":                            {Server: n.Server.Server, Keys: []httpapi.Key{key, key}},
		"the ID of a key":                                   {Server: n.Server.Server, Keys: with(func(k *httpapi.Key) { k.ID = "a.b" })},
		"has no hashes":                                     {Server: n.Server.Server, Keys: with(func(k *httpapi.Key) { k.Hashes = nil })},
		"a hash is malformed":                               {Server: n.Server.Server, Keys: with(func(k *httpapi.Key) { k.Hashes = []string{hash, "secret"} })},
		"64 hexadecimal digits":                             {Server: n.Server.Server, Keys: with(func(k *httpapi.Key) { k.Hashes = []string{hash + "00"} })},
		"has no scopes":                                     {Server: n.Server.Server, Keys: with(func(k *httpapi.Key) { k.Scopes = nil })},
		`the scope "admin"`:                                 {Server: n.Server.Server, Keys: with(func(k *httpapi.Key) { k.Scopes = []httpapi.Scope{"admin"} })},
		"an empty pattern":                                  {Server: n.Server.Server, Keys: with(func(k *httpapi.Key) { k.Rooms = []string{""} })},
		"Burst must not be negative":                        {Server: n.Server.Server, Keys: with(func(k *httpapi.Key) { k.Burst = -1 })},
		"Config.MaxBody must not be negative":               {Server: n.Server.Server, Keys: []httpapi.Key{key}, MaxBody: -1},
		"Config.BodyTimeout must not be":                    {Server: n.Server.Server, Keys: []httpapi.Key{key}, BodyTimeout: -1},
		"Config.IdempotencyTTL is 8s: want at least 9s":     {Server: n.Server.Server, Keys: []httpapi.Key{key}, IdempotencyTTL: 8 * time.Second},
		"Config.IdempotencyTTL is 10m0s: want at least 10m": {Server: n.Server.Server, Keys: []httpapi.Key{key}, CommandTimeout: 10 * time.Minute},
		"Config.Prefix":                                     {Server: n.Server.Server, Keys: []httpapi.Key{key}, Prefix: "api"},
		`Config.Prefix is "/api/"`:                          {Server: n.Server.Server, Keys: []httpapi.Key{key}, Prefix: "/api/"},
	} {
		if _, err := httpapi.New(c); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "httpapi: ") {
			t.Errorf("New = %v, want %q", err, want)
		}
	}
}
