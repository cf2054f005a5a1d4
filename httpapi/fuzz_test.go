package httpapi_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/httpapi"
)

// FuzzBody sends arbitrary bodies. Every answer is JSON, and none is an internal error. What is
// published is what the schema accepts.
func FuzzBody(f *testing.F) {
	for _, body := range []string{
		hello, `{"to":[{"room":"a"},{"client":"b"},{"everyone":true}],"event":"x","data":{"a":[1]},"key":"k","exclude":["x"],"from":{"id":"c","userId":"u"}}`,
		`{"messages":[` + hello + `]}`, `{"to":{"user":"ann"},"code":4006,"reason":"x"}`, `{"to":{"user":"ann"},"rooms":["a"]}`,
		`{"user":"ann","issuedBefore":"2020-01-01T00:00:00Z","until":"2100-01-01T00:00:00Z"}`, `{"\u0074o":{"u\u0073er":"ann"},"event":"\ud800"}`, "{", "[]", "null", "\xff",
	} {
		for i := range byte(6) {
			f.Add(i, body)
		}
	}
	n := start(f, setup{})
	paths := []string{"/v1/publish", "/v1/publish/batch", "/v1/disconnect", "/v1/join", "/v1/leave", "/v1/revoke"}
	f.Fuzz(func(t *testing.T, path byte, body string) {
		r := httptest.NewRequest(http.MethodPost, "/api"+paths[int(path)%len(paths)], strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+n.keys["all"])
		w := httptest.NewRecorder()
		n.api.ServeHTTP(w, r)
		switch w.Code {
		case 200, 400, 413, 422, 429:
		default:
			t.Fatalf("%s %q: %d %s", r.URL.Path, body, w.Code, w.Body)
		}
		var answer struct{ Type string }
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || (w.Code == 200) != (answer.Type == "") {
			t.Fatalf("%s %q: %d %s", r.URL.Path, body, w.Code, w.Body)
		}
		if batch := strings.HasSuffix(r.URL.Path, "/batch"); w.Code == 200 && strings.HasPrefix(r.URL.Path, "/api/v1/publish") {
			var v any
			if err := json.Unmarshal([]byte(body), &v); err != nil || !httpapi.Accepts(batch, v) {
				t.Errorf("%q is published although its schema does not accept it", body)
			}
		}
	})
}

// FuzzRequest sends arbitrary paths, queries and headers.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/v1/clients", "limit=5&view=cluster&after=x", "Bearer x", "id", "key")
	f.Add("GET", "/v1/clients/x", "", "Bearer all.x", "", "")
	f.Add("POST", "/v1/publish", "%zz", "Basic", "a b", `"k"`)
	n := start(f, setup{})
	f.Fuzz(func(t *testing.T, method, path, query, authorization, requestID, key string) {
		for _, auth := range []string{authorization, "Bearer " + n.keys["all"]} {
			r := httptest.NewRequest(http.MethodGet, "/", strings.NewReader(hello))
			r.Method, r.URL = method, &url.URL{Path: "/api" + path, RawQuery: query}
			r.Header["Authorization"], r.Header["X-Request-Id"], r.Header["Idempotency-Key"] = []string{auth}, []string{requestID}, []string{key}
			w := httptest.NewRecorder()
			n.api.ServeHTTP(w, r)
			if w.Code < 200 || w.Code >= 500 && w.Code != 503 || w.Header().Get("X-Request-Id") == "" {
				t.Fatalf("%s %s?%s: %d %v %s", method, path, query, w.Code, w.Header(), w.Body)
			}
			if w.Code >= 400 && !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s %s?%s: %s", method, path, query, w.Body)
			}
		}
	})
}
