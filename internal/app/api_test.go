package app

import (
	"bufio"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/httpapi"
	"github.com/ignis-go/ignis/internal/logtest"
	"github.com/ignis-go/ignis/internal/memnet"
)

// apiKey returns an API key with all scopes, and its description.
func apiKey(t *testing.T, id string) (string, httpapi.Key) {
	t.Helper()
	key, hash, err := httpapi.NewKey(id)
	if err != nil {
		t.Fatal(err)
	}
	return key, httpapi.Key{ID: id, Hashes: []string{hash}, Scopes: []httpapi.Scope{httpapi.ScopePublish, httpapi.ScopeManage, httpapi.ScopeRead}}
}

// withAPI returns a configuration with the HTTP API, and its key.
func withAPI(t *testing.T) (Config, string) {
	t.Helper()
	key, described := apiKey(t, "shop")
	c := production()
	c.API = API{Keys: []httpapi.Key{described}, Path: "/api"}
	return c, key
}

// ask sends a request to the API and returns the status and the body.
func ask(t *testing.T, address, key, method, path, body string, headers ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
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
	return response.StatusCode, string(text)
}

const notice = `{"to":{"room":"lobby"},"event":"notice"}`

// The API is on the addresses for clients, unless it has addresses of its own.
func TestAPIAddresses(t *testing.T) {
	c, key := withAPI(t)
	shared := run(t, c).addr
	own := make(chan string, 1)
	c.API.Listen = on("127.0.0.1:0").Addresses
	c.API.OnReady = func(urls []string) { own <- strings.TrimPrefix(urls[0], "http://") }
	clients := run(t, c).addr
	for _, row := range []struct {
		address, path string
		want          int
	}{
		{shared, "/api/v1/counts", 200},
		{shared, "/api/docs", 200},
		{shared, "/api", 404},
		{shared, "/apis", 404},
		{shared, "/healthz", 200},
		{clients, "/api/v1/counts", 404},
		{clients, "/healthz", 200},
	} {
		if code, body := ask(t, row.address, key, "GET", row.path, ""); code != row.want {
			t.Errorf("%s%s: %d %s", row.address, row.path, code, body)
		}
	}
	address := <-own
	for path, want := range map[string]int{"/api/v1/counts": 200, "/healthz": 404, "/ws": 404, "/": 404} {
		if code, body := ask(t, address, key, "GET", path, ""); code != want {
			t.Errorf("the API's own address, %s: %d %s", path, code, body)
		}
	}
}

// Addresses of the API without keys answer 404, of which the log warns. The functions OnReady are
// optional, and are called only for their own addresses.
func TestAPIAddressWithoutKeys(t *testing.T) {
	for _, keys := range []bool{false, true} {
		var log logtest.Log
		c, key := withAPI(t)
		c.API.Listen, c.Server.Logger = on("127.0.0.1:0").Addresses, log.Logger()
		want := http.StatusOK
		if !keys {
			c.API.Keys, want = nil, http.StatusNotFound
		}
		r := run(t, c)
		if log.Has("the HTTP API has an address, but no keys") == keys {
			t.Errorf("with keys %v: %s", keys, &log)
		}
		own := r.app.listeners.All()[1].Addr().String()
		if code, body := ask(t, own, key, "GET", "/api/v1/counts", ""); code != want {
			t.Errorf("with keys %v: %d %s", keys, code, body)
		}
	}
	c, _ := withAPI(t)
	c.API.OnReady = func(urls []string) { t.Errorf("the API's own addresses are %q", urls) }
	run(t, c)
}

// The largest message fits into a body, and small limits of messages do not make it smaller than
// 2 MiB.
func TestAPIMaxBody(t *testing.T) {
	for _, row := range []struct{ message, body int }{{1000, 2 << 20}, {4 << 20, 5 << 20}} {
		c, key := withAPI(t)
		c.Server.MaxMessage = row.message
		r := run(t, c)
		for size, want := range map[int]int{row.body: 200, row.body + 1: 413} {
			padded := notice + strings.Repeat(" ", size-len(notice))
			if code, body := ask(t, r.addr, key, "POST", "/api/v1/publish", padded, "Expect", "100-continue"); code != want {
				t.Errorf("a body of %d bytes with messages of %d: %d %s", size, row.message, code, body)
			}
		}
	}
}

// Without keys there is no API. Reload adds and removes keys, and keeps what is remembered for
// idempotency keys.
func TestReloadOfAPIKeys(t *testing.T) {
	with, key := withAPI(t)
	without := with
	without.API.Keys = nil
	ready := make(chan string, 1)
	without.OnReady = func(urls []string) { ready <- strings.TrimPrefix(urls[0], "http://") }
	a, err := New(without)
	if err != nil {
		t.Fatal(err)
	}
	running := start(func() error { return a.Run(t.Context()) })
	t.Cleanup(func() { <-running.done })
	address := <-ready
	publish := func(key string, want int) {
		t.Helper()
		if code, body := ask(t, address, key, "POST", "/api/v1/publish", notice, "Idempotency-Key", "1"); code != want {
			t.Errorf("%d %s, want %d", code, body, want)
		}
	}
	reload := func(keys ...httpapi.Key) {
		t.Helper()
		c := with
		c.API.Keys = keys
		if err := a.Reload(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	publish(key, 404)
	reload(with.API.Keys...)
	publish(key, 200)
	next, nextKey := apiKey(t, "shop")
	reload(nextKey)
	publish(key, 401)
	publish(next, 200)
	if n := a.api.handler.Stats().Replayed; n != 1 {
		t.Errorf("%d requests were replayed", n)
	}
	reload()
	publish(next, 404)
	reload(nextKey)
	publish(next, 200)
	if n := a.api.handler.Stats().Replayed; n != 2 {
		t.Errorf("%d requests were replayed", n)
	}
	bad := with
	bad.API.Keys = []httpapi.Key{nextKey, nextKey}
	if err := a.Reload(t.Context(), bad); err == nil || !strings.Contains(err.Error(), "two keys have the ID shop") {
		t.Errorf("got %v", err)
	}
	publish(next, 200)
}

// Behind a trusted proxy, failures count for the address of the client.
func TestAPIBehindProxy(t *testing.T) {
	c, key := withAPI(t)
	c.Proxies = ignis.Proxies{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	own := make(chan string, 1)
	shared := run(t, c).addr
	c.API.Listen = on("127.0.0.1:0").Addresses
	c.API.OnReady = func(urls []string) { own <- strings.TrimPrefix(urls[0], "http://") }
	run(t, c)
	for _, address := range []string{shared, <-own} {
		for range 30 {
			ask(t, address, "shop.wrong", "GET", "/api/v1/counts", "", "X-Forwarded-For", "192.0.2.1")
		}
		for client, want := range map[string]int{"192.0.2.1": 429, "192.0.2.2": 200} {
			if code, body := ask(t, address, key, "GET", "/api/v1/counts", "", "X-Forwarded-For", client); code != want {
				t.Errorf("%s: %d %s", client, code, body)
			}
		}
	}
}

// A body and its answer may take longer than other requests, and there is an answer even if the
// body does not come in time. The largest message fits into a body.
func TestAPIBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, key := withAPI(t)
		c.Server.MaxMessage = 4 << 20
		a, err := New(c) // not running, so valid requests are answered with 503
		if err != nil {
			t.Fatal(err)
		}
		in := memnet.Listen()
		g := newGate(a.waiting)
		hs := newHTTPServer(g.open(a.handler()), a.limit)
		hs.ConnContext = g.attach
		served := start(func() error { return hs.Serve(g.listen(in)) })
		head := func(length int) string {
			return "POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key + "\r\nContent-Length: " + strconv.Itoa(length) + "\r\n\r\n"
		}
		large := `{"to":{"room":"lobby"},"event":"notice","data":"` + strings.Repeat("x", c.Server.MaxMessage-1000) + `"}`
		for _, row := range []struct {
			body  string
			pause time.Duration
			want  int
		}{{notice, 7 * time.Second, 503}, {large, 9 * time.Second, 503}, {notice, time.Minute, 408}} {
			conn, err := in.Dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, head(len(row.body))+row.body[:10]); err != nil {
				t.Fatal(err)
			}
			rest := start(func() error {
				time.Sleep(row.pause)
				_, err := io.WriteString(conn, row.body[10:])
				return err // the server may have closed the connection
			})
			time.Sleep(12 * time.Second) // the server's answer waits until it is read
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatalf("after a pause of %v: %v", row.pause, err)
			}
			text, err := io.ReadAll(response.Body)
			if err != nil || response.StatusCode != row.want {
				t.Errorf("after a pause of %v: %d %s, %v", row.pause, response.StatusCode, text, err)
			}
			_ = response.Body.Close()
			_ = conn.Close()
			<-rest.done
		}
		_ = in.Close()
		<-served.done
		_ = hs.Close()
	})
}

func TestAPIConfig(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Config)
		want   string // text of the error; "" for none
	}{
		"none":                      {func(c *Config) { c.API = API{} }, ""},
		"no slash":                  {func(c *Config) { c.API.Path = "api" }, "--api-path: "},
		"the root":                  {func(c *Config) { c.API.Path = "/" }, "--api-path: "},
		"a slash at the end":        {func(c *Config) { c.API.Path = "/api/" }, "--api-path: "},
		"a URL":                     {func(c *Config) { c.API.Path = "/api?x" }, "--api-path: "},
		"a malformed URL":           {func(c *Config) { c.API.Path = "/%" }, "--api-path: "},
		"an escaped URL":            {func(c *Config) { c.API.Path = "/%61pi" }, "--api-path: "},
		"a host":                    {func(c *Config) { c.API.Path = "//api" }, "--api-path: "},
		"the endpoint":              {func(c *Config) { c.API.Path = "/ws" }, "--api-path: the API cannot be at /ws, because /ws is"},
		"above the endpoint":        {func(c *Config) { c.Path = "/api/ws" }, "--api-path: the API cannot be at /api, because /api/ws is"},
		"a probe":                   {func(c *Config) { c.API.Path = "/healthz" }, "--api-path: the API cannot be at /healthz"},
		"similar":                   {func(c *Config) { c.Path = "/api2" }, ""},
		"the endpoint, elsewhere":   {func(c *Config) { c.API.Path, c.API.Listen = "/ws", on("127.0.0.1:0").Addresses }, ""},
		"development":               {func(c *Config) { c.Dev, c.JWTSecret = true, nil }, ""},
		"the page":                  {func(c *Config) { c.Dev, c.JWTSecret, c.API.Path = true, nil, "/dev/api" }, "the page or the documentation of the development mode"},
		"the documentation":         {func(c *Config) { c.Dev, c.JWTSecret, c.API.Path = true, nil, "/docs" }, "the page or the documentation of the development mode"},
		"development, for everyone": {func(c *Config) { c.Dev, c.JWTSecret, c.API.Listen = true, nil, on(":1").Addresses }, "--dev lets anyone in"},
		"no scopes":                 {func(c *Config) { c.API.Keys[0].Scopes = nil }, "api.keys: key shop has no scopes"},
	} {
		c, _ := withAPI(t)
		test.change(&c)
		if _, err := New(c); (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// The error of an address that is taken names the flag.
func TestAPIPortInUse(t *testing.T) {
	c, _ := withAPI(t)
	taken := run(t, c).addr
	c.API.Listen = on(taken).Addresses
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "--api-listen: ") {
		t.Errorf("got %v", err)
	}
}
