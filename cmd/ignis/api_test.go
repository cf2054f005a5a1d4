package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/ignis-go/ignis/httpapi"
	"github.com/ignis-go/ignis/internal/redistest"
)

// makeKey returns the key that ignis api-key prints, and the entry as an item of a list.
func makeKey(t *testing.T, args ...string) (key, entry string) {
	t.Helper()
	var out, errs strings.Builder
	if code := run(context.Background(), append([]string{"api-key"}, args...), &stdio{out: &out, err: &errs}); code != 0 {
		t.Fatalf("exit code %d: %s", code, &errs)
	}
	key, rest, _ := strings.Cut(out.String(), "\n\n")
	entry, ok := strings.CutPrefix(rest, "api:\n  keys:\n")
	if !ok || strings.Contains(rest, key) || !strings.Contains(errs.String(), "not shown again") {
		t.Fatalf("printed %s%s", &out, &errs)
	}
	return key, entry
}

// keysFile returns a configuration file with entries of keys.
func keysFile(entries ...string) string { return "api:\n  keys:\n" + strings.Join(entries, "") }

// fileOf returns a private file with a key.
func fileOf(t *testing.T, key string) string { t.Helper(); return writeFile(t, "key", key+"\n") }

// answered is what the API has answered.
type answered struct {
	status int
	header http.Header
	body   string
}

// kind returns the status and the kind of problem, such as "401 unauthorized", or "200".
func (a answered) kind() string {
	var p struct{ Type string }
	_ = json.Unmarshal([]byte(a.body), &p)
	return strings.TrimSpace(fmt.Sprint(a.status, " ", strings.TrimPrefix(p.Type, "urn:ignis:problem:")))
}

// callAPI sends a request as curl would.
func callAPI(t *testing.T, url, key, body string, headers ...string) answered {
	t.Helper()
	method := http.MethodPost
	if body == "" {
		method = http.MethodGet
	}
	r, err := http.NewRequestWithContext(withTimeout(t), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	r.Header.Set("Authorization", "Bearer "+key)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answered{response.StatusCode, response.Header, string(text)}
}

// A request to one server reaches the clients of both. A key allows what its entry says, and an
// idempotency key holds on both servers.
func TestAPIOfTwoServers(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	all, entryOfAll := makeKey(t, "all", "--scope", "publish,manage,read")
	team, entryOfTeam := makeKey(t, "team", "--room", "team-*", "--room", "lobby")
	file := writeFile(t, "ignis.yaml", keysFile(entryOfAll, entryOfTeam))
	_, first := serve(t, nil, "--dev", "--redis", r.URL(), "--config", file)
	_, second := serve(t, nil, "--dev", "--redis", r.URL(), "--config", file)
	ann, ben := listenTo(t, r.URL(), first, "ann", "lobby"), listenTo(t, r.URL(), second, "ben", "lobby")
	api := map[string]string{"first": "http://" + first + "/api/v1", "second": "http://" + second + "/api/v1"}

	publish := func(on, key, body, want string, headers ...string) answered {
		t.Helper()
		a := callAPI(t, api[on]+"/publish", key, body, headers...)
		if a.kind() != want {
			t.Errorf("%s: %d %s, want %s", body, a.status, a.body, want)
		}
		return a
	}
	publish("first", all, `{"to":{"room":"lobby"},"event":"hello","data":{"n":12345678901234567890123}}`, "200")
	publish("first", team, `{"to":{"room":"lobby"},"event":"again"}`, "200")
	publish("first", team, `{"to":{"room":"other"},"event":"x"}`, "403 forbidden")
	publish("first", team, `{"to":{"everyone":true},"event":"x"}`, "403 forbidden")
	publish("first", all+"x", `{"to":{"everyone":true},"event":"x"}`, "401 unauthorized")
	if a := callAPI(t, api["first"]+"/disconnect", team, `{"to":{"user":"ann"}}`); a.kind() != "403 forbidden" {
		t.Errorf("disconnect: %s", a.body)
	}
	once := []string{"Idempotency-Key", "order-17"}
	a := publish("first", all, `{"to":{"room":"lobby"},"event":"paid"}`, "200", once...)
	b := publish("second", all, `{"to":{"room":"lobby"},"event":"paid"}`, "200", once...)
	if a.body != b.body || b.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("the second server answers %s %v, the first %s", b.body, b.header, a.body)
	}
	publish("second", all, `{"to":{"room":"lobby"},"event":"other"}`, "422 idempotency-key-reused", once...)

	code, out, errors := ignisRun(t, []string{"IGNIS_API_KEY=" + team}, "emit", "room", "lobby", "emitted", `{"a": 1}`, "--exclude", ben.id, "--url", "http://"+first+"/api")
	if code != 0 || out+errors != "" {
		t.Errorf("emit: exit code %d, %s%s", code, out, errors)
	}
	if code, out, errors = ignisRun(t, nil, "emit", "broadcast", "end", "--url", "http://"+first+"/api", "--api-key-file", fileOf(t, all)); code != 0 || out+errors != "" {
		t.Errorf("emit: exit code %d, %s%s", code, out, errors)
	}
	common := `{"event":"hello","data":{"n":12345678901234567890123},"room":"lobby"} {"event":"again","room":"lobby"} {"event":"paid","room":"lobby"}`
	// All of them went through the first server, so they arrive in order.
	if got := strings.Join(ann.until("end"), " "); got != common+` {"event":"emitted","data":{"a": 1},"room":"lobby"}` {
		t.Errorf("ann received %s", got)
	}
	if got := strings.Join(ben.until("end"), " "); got != common {
		t.Errorf("ben received %s", got)
	}

	// A revocation closes the clients of the other server.
	if a := callAPI(t, api["first"]+"/revoke", all, `{"user":"ben","until":"2100-01-01T00:00:00Z"}`); a.kind() != "200" {
		t.Errorf("revoke: %s", a.body)
	}
	if code := ben.wait(); code != exitLost {
		t.Errorf("the client of ben ended with exit code %d", code)
	}
}

// On SIGHUP, keys are replaced. Clients stay connected, and idempotency keys are remembered.
func TestReloadOfAPIKeys(t *testing.T) {
	t.Parallel()
	old, oldEntry := makeKey(t, "shop")
	file := writeFile(t, "ignis.yaml", keysFile(oldEntry))
	p, address := serve(t, []string{"IGNIS_JWT_SECRET=" + testKey}, "--config", file)
	c := dial(t, address, tokenFor(t, testKey, "ann"))
	publish := func(key, want string) answered {
		t.Helper()
		a := callAPI(t, "http://"+address+"/api/v1/publish", key, `{"to":{"user":"ann"},"event":"x"}`, "Idempotency-Key", "1")
		if a.kind() != want {
			t.Errorf("%d %s, want %s", a.status, a.body, want)
		}
		return a
	}
	reload := func(text, want string) {
		t.Helper()
		replace(t, file, text)
		p.signal(syscall.SIGHUP)
		if line := p.logged("reload"); !strings.Contains(line, want) {
			t.Errorf("logged %s, want %s", line, want)
		}
	}
	publish(old, "200")
	next, nextEntry := makeKey(t, "shop")
	reload(keysFile(nextEntry), "changed=api.keys")
	publish(old, "401 unauthorized")
	if a := publish(next, "200"); a.header.Get("Idempotency-Replayed") != "true" {
		t.Error("the idempotency key was forgotten")
	}
	reload(keysFile(nextEntry, nextEntry), "ignis.yaml:7:7: api.keys[1].id: api.keys[0] has the same ID")
	publish(next, "200")
	reload("path: /ws\n", "changed=api.keys")
	publish(next, "404")
	reload(keysFile(nextEntry), "changed=api.keys")
	publish(next, "200")
	alive(t, c)
}

// The API can have addresses of its own, which nothing else is on.
func TestAPIAddresses(t *testing.T) {
	t.Parallel()
	key, entry := makeKey(t, "shop", "--scope", "read")
	_, cert, private := tlsPair(t)
	text := keysFile(entry) + "  path: /v\n  listen: [{address: '127.0.0.1:0', tls: false}]\n"
	p, _ := serve(t, nil, "--dev", "--config", writeFile(t, "ignis.yaml", strings.Replace(text, ", tls: false", "", 1)))
	q := start(t, nil, "serve", "--dev", "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", private, "--config", writeFile(t, "ignis.yaml", text))
	if line := q.line(); !strings.HasPrefix(line, "listening on https://") {
		t.Errorf("printed %s", line)
	}
	for _, server := range []*process{p, q} {
		url, note, _ := strings.Cut(strings.TrimPrefix(server.line(), "listening on "), " ")
		if strings.TrimSpace(note) != "(HTTP API)" || !strings.HasPrefix(url, "http://") {
			t.Errorf("printed %s %s", url, note)
		}
		if a := callAPI(t, url+"/v/v1/counts", key, ""); a.kind() != "200" {
			t.Errorf("%d %s", a.status, a.body)
		}
		for _, path := range []string{"/ws", "/healthz", "/api/v1/counts"} {
			if a := callAPI(t, url+path, key, ""); a.status != 404 {
				t.Errorf("%s: %d", path, a.status)
			}
		}
	}
	if a := callAPI(t, "http://127.0.0.1:"+portOf(p)+"/v/v1/counts", key, ""); a.status != 404 {
		t.Errorf("the address for clients: %d", a.status)
	}
}

// While Redis is gone, a message reaches the clients of one server, and the answer says so. With
// an idempotency key, nothing is done.
func TestAPIWithoutRedis(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	key, entry := makeKey(t, "shop")
	_, address := serve(t, nil, "--dev", "--redis", r.URL(), "--config", writeFile(t, "ignis.yaml", keysFile(entry)))
	ann := listenTo(t, r.URL(), address, "ann", "lobby")
	r.Kill()
	api := "http://" + address + "/api"
	var a answered
	redistest.Wait(t, "the outage to be noticed", func() bool {
		a = callAPI(t, api+"/v1/publish", key, `{"to":{"room":"lobby"},"event":"probe"}`)
		return a.status != 200
	})
	if a.kind() != "503 bus-unavailable" || !strings.Contains(a.body, `"localRecipients":1`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := callAPI(t, api+"/v1/publish", key, `{"to":{"room":"lobby"},"event":"once"}`, "Idempotency-Key", "1"); a.kind() != "503 idempotency-unavailable" {
		t.Errorf("%d %s", a.status, a.body)
	}
	code, _, errors := ignisRun(t, []string{"IGNIS_API_KEY=" + key}, "emit", "room", "lobby", "emitted", "--url", api)
	if code != exitFailed || !strings.Contains(errors, "503 idempotency-unavailable") || !strings.Contains(errors, "hint: the server cannot reach Redis") {
		t.Errorf("emit: exit code %d, %s", code, errors)
	}
	r.Restart()
	redistest.Wait(t, "the server to reconnect", func() bool {
		return callAPI(t, api+"/v1/publish", key, `{"to":{"room":"lobby"},"event":"end"}`).status == 200
	})
	if got := ann.until("end"); len(got) != 0 {
		t.Errorf("received %s", got)
	}
}

// The entry that ignis api-key prints is valid and has the hash of the key.
func TestAPIKey(t *testing.T) {
	t.Parallel()
	key, entry := makeKey(t, "shop-1", "--scope", "manage", "--room", `a "quoted" *`, "--room", "*")
	file := writeFile(t, "ignis.yaml", keysFile(entry))
	_, out, _ := ignisRun(t, []string{"IGNIS_CONFIG=" + file}, "config", "show", "--json")
	if want := `"id":"shop-1","hashes":["` + httpapi.HashKey(key) + `"],"scopes":["manage"],"rooms":["a \"quoted\" *","*"]`; !strings.Contains(out, want) {
		t.Errorf("no %s in %s", want, out)
	}
	hash := func(input string) (int, string) {
		t.Helper()
		in, err := os.Open(writeFile(t, "in", input))
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		var out strings.Builder
		return run(context.Background(), []string{"api-key", "hash"}, &stdio{in: in, out: &out, err: &out}), out.String()
	}
	if code, out := hash(" " + key + "\r\n"); code != 0 || out != httpapi.HashKey(key)+"\n" {
		t.Errorf("exit code %d, %s", code, out)
	}
	for _, bad := range []string{"", "hunter2", "shop.hunter2", key + "\n" + key, "a b" + key, key + strings.Repeat("x", 300)} {
		if code, out := hash(bad); code != 2 || !strings.Contains(out, "standard input: expected a key") || strings.Contains(out, "hunter2") {
			t.Errorf("%s: exit code %d, %s", bad, code, out)
		}
	}
}

// ignis config check says which line of the keys is wrong. The text of a hash, which may be a
// key by mistake, is not shown.
func TestConfigCheckOfAPI(t *testing.T) {
	t.Parallel()
	_, entry := makeKey(t, "shop")
	for bad, want := range map[string]string{
		keysFile(entry, entry): "ignis.yaml:7:7: api.keys[1].id: api.keys[0] has the same ID; put all hashes of a key into one entry",
		strings.Replace(keysFile(entry), "[publish]", "[publish, write]", 1): "ignis.yaml:6:25: api.keys[0].scopes[1]: expected publish, manage or read, but got \"write\"",
		strings.Replace(keysFile(entry), "[publish]", "[]", 1):               "ignis.yaml:3:7: api.keys[0]: key shop has no scopes",
		keysFile(entry) + "      rooms: ['']\n":                              "ignis.yaml:7:15: api.keys[0].rooms[0]: expected the name of a room",
		keysFile(entry) + "      rate: -5\n":                                 "ignis.yaml:7:13: api.keys[0].rate: expected a positive integer, or off",
		strings.Replace(keysFile(entry), `"shop"`, `"s.p"`, 1):               "ignis.yaml:3:11: api.keys[0].id: expected 1 to 64 letters",
		strings.Replace(keysFile(entry), "sha256:", "hunter2", 1):            "ignis.yaml:5:11: api.keys[0].hashes[0]: expected sha256: and 64 hexadecimal digits",
		keysFile(entry) + "  path: /healthz\n":                               "ignis.yaml:7:3: api.path: the API cannot be at /healthz",
		"api:\n  path: api\n":                                                "ignis.yaml:2:3: api.path: expected a path",
	} {
		code, _, errors := ignisRun(t, []string{"IGNIS_JWT_SECRET=" + testKey}, "config", "check", "--config", writeFile(t, "ignis.yaml", bad))
		if code != 2 || !strings.Contains(errors, want) || strings.Contains(errors, "hunter2") {
			t.Errorf("exit code %d, no %q in %s", code, want, errors)
		}
	}
}
