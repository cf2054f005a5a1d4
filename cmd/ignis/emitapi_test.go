package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// Errors of ignis emit --url say what to do. None contains the key.
func TestEmitToAPIErrors(t *testing.T) {
	t.Parallel()
	key, entry := makeKey(t, "shop", "--room", "lobby")
	slow, slowEntry := makeKey(t, "slow")
	reader, readerEntry := makeKey(t, "reader", "--scope", "read")
	slowEntry += "      rate: 1\n      burst: 1\n"
	_, address := serve(t, nil, "--dev", "--config", writeFile(t, "ignis.yaml", keysFile(entry, slowEntry, readerEntry)))
	api := "http://" + address + "/api"
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/moved") {
			http.Redirect(w, r, api, http.StatusPermanentRedirect)
			return
		}
		http.Error(w, "no backend", http.StatusBadGateway)
	}))
	t.Cleanup(proxy.Close)
	other, _ := makeKey(t, "shop")
	for range 2 { // the second one is refused, or a later one
		callAPI(t, api+"/v1/publish/batch", slow, `{"messages":[`+strings.Repeat(`{"to":{"room":"lobby"},"event":"x"},`, 999)+`{"to":{"room":"lobby"},"event":"x"}]}`)
	}
	for name, test := range map[string]struct {
		key, url, room string
		code           int
		want, hint     string
	}{
		"sent":               {key, api, "lobby", 0, "", ""},
		"a slash at the end": {key, api + "/", "lobby", 0, "", ""},
		"wrong key":          {other, api, "lobby", 1, "401 unauthorized", "is the key in --api-key-file or IGNIS_API_KEY the one whose hash"},
		"wrong room":         {key, api, "other", 1, "403 forbidden", "use a key with the scope publish"},
		"wrong scope":        {reader, api, "lobby", 1, "403 forbidden", "use a key with the scope publish"},
		"too many":           {slow, api, "lobby", 1, "429 rate-limited", "wait, or raise rate"},
		"wrong path":         {key, "http://" + address, "lobby", 1, "404", "there is no HTTP API at --url"},
		"the endpoint":       {key, "http://" + address + "/ws", "lobby", 1, "404", "there is no HTTP API at --url"},
		"below the path":     {key, api + "/v1", "lobby", 1, "404 not-found", "api.path"},
		"nobody listens":     {key, "http://127.0.0.1:1/api", "lobby", 1, "connection refused", "is a server running there"},
		"not TLS":            {key, "https://" + address + "/api", "lobby", 1, "HTTP response to HTTPS client", "http or https"},
		"redirect":           {key, proxy.URL + "/moved", "lobby", 1, "308", "the address redirects"},
		"proxy":              {key, proxy.URL + "/api", "lobby", 1, "502", "from a proxy"},
		"WebSocket":          {key, "ws://" + address + "/ws", "lobby", 2, "--url: expected the URL of an HTTP API", ""},
		"no key":             {"", api, "lobby", 2, "--url: the HTTP API requires a key", "ignis api-key ID makes a key"},
		"two lines":          {key + "\n" + other, api, "lobby", 2, "such as a line break", "only the key"},
		"empty room":         {key, api, "", 2, "NAME: expected", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out, errors := ignisRun(t, []string{"IGNIS_API_KEY=" + test.key}, "emit", "room", test.room, "x", "--url", test.url)
			if code != test.code || out != "" || !strings.Contains(errors, test.want) || !strings.Contains(errors, "hint: ") != (test.hint == "") || !strings.Contains(errors, test.hint) {
				t.Errorf("exit code %d: %s%s", code, out, errors)
			}
			if test.key != "" && strings.Contains(errors, test.key) {
				t.Error("the key is shown")
			}
		})
	}
}

// A server that does not answer is an error, which says that the event may have been sent.
func TestEmitToSilentAPI(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // it accepts nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	key, _ := makeKey(t, "shop")
	code, _, errors := ignisRun(t, []string{"IGNIS_API_KEY=" + key}, "emit", "broadcast", "x", "--url", "http://"+silent.Addr().String()+"/api", "--timeout", "100ms")
	if code != exitFailed || !strings.Contains(errors, "no answer from the HTTP API within 100ms; the event may have been sent") {
		t.Errorf("exit code %d: %s", code, errors)
	}
}

func TestEmitToAPIUsage(t *testing.T) {
	t.Parallel()
	key, _ := makeKey(t, "shop")
	public := fileOf(t, key)
	if err := os.Chmod(public, 0o644); err != nil { //nolint:gosec // the test is about a file that others can read
		t.Fatal(err)
	}
	const url = "http://127.0.0.1:1/api"
	for _, test := range []struct {
		env  []string
		args []string
		want string
	}{
		{nil, []string{"--url", url, "--redis", "redis://h"}, "--url and --redis or --redis-file are both set"},
		{[]string{"IGNIS_REDIS_FILE=f"}, []string{"--url", url}, "--url and --redis or --redis-file are both set"},
		{nil, []string{"--api-key-file", "f"}, "--api-key-file: the key is for --url"},
		{[]string{"IGNIS_API_KEY=" + key}, []string{"--url", url, "--api-key-file", public}, "--api-key-file and IGNIS_API_KEY are both set"},
		{nil, []string{"--url", url, "--api-key-file", "/nonexistent"}, "--api-key-file: open /nonexistent"},
		{nil, []string{"--url", url, "--api-key-file", fileOf(t, "")}, "--api-key-file: the file is empty"},
		{nil, []string{"--url", url, "--api-key-file", public}, "warning: every user of this machine can read the file in --api-key-file"},
		{[]string{"IGNIS_API_KEY=" + key}, []string{"--url", "http://ignis.invalid/api"}, "warning: the key and the event are sent without encryption"},
		{[]string{"IGNIS_API_KEY=" + key}, []string{"--url", url + "?key=x"}, "--url: expected the URL"},
	} {
		code, _, errors := ignisRun(t, test.env, append([]string{"emit", "broadcast", "x"}, test.args...)...)
		if !strings.Contains(errors, test.want) || (code == 2) == strings.HasPrefix(test.want, "warning") || strings.Contains(errors, key) {
			t.Errorf("%s %s: exit code %d, %s", test.env, test.args, code, errors)
		}
	}
}
