package httpapi_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/ignis-go/ignis/httpapi"
)

// document is what the tests read of the OpenAPI document.
type document struct {
	OpenAPI string
	Servers []struct{ URL string }
	Paths   map[string]map[string]struct {
		OperationID, Summary, Description string
		Tags                              []string
		Security                          []map[string][]string
		Responses                         map[string]struct{ Description string }
		RequestBody                       *struct {
			Content map[string]struct{ Example json.RawMessage }
		}
	}
	Components struct{ Schemas map[string]json.RawMessage }
}

func readDocument(n *node) (d document, raw any) {
	n.t.Helper()
	a := n.do("", "GET", "/openapi.json", "")
	a.decode(&d)
	a.decode(&raw)
	return d, raw
}

// The document describes each operation with the key's scope, and its examples work.
func TestOpenAPI(t *testing.T) {
	n := start(t, setup{server: draining})
	d, raw := readDocument(n)
	if d.OpenAPI != "3.1.0" || len(d.Servers) != 1 || d.Servers[0].URL != "." {
		t.Errorf("version %s, servers %v", d.OpenAPI, d.Servers)
	}
	var ids []string
	for path, methods := range d.Paths {
		for method, op := range methods {
			ids = append(ids, op.OperationID)
			if op.Summary == "" || len(op.Security) != 1 || len(op.Security[0]["key"]) != 1 || op.Tags[0] != op.Security[0]["key"][0] {
				t.Errorf("%s %s: %+v", method, path, op)
			}
			a := n.do(op.Tags[0], strings.ToUpper(method), strings.ReplaceAll(path, "{id}", "x"), example(op.RequestBody))
			if a.status != 200 && (a.status != 404 || path != "/v1/clients/{id}") {
				t.Errorf("%s %s: the example is answered with %d %s", method, path, a.status, a.body)
			}
		}
	}
	slices.Sort(ids)
	want := []string{"count", "disconnect", "drain", "get-client", "get-state", "join", "leave", "list-clients", "list-rooms", "list-users", "publish", "publish-batch", "revoke"}
	if d := cmp.Diff(want, ids); d != "" {
		t.Errorf("operations (-want +got):\n%s", d)
	}
	for name := range d.Components.Schemas {
		if strings.HasPrefix(name, "Error") {
			t.Errorf("the document has the schema %s of package huma", name)
		}
	}
	var asYAML any
	if err := yaml.Unmarshal([]byte(n.do("", "GET", "/openapi.yaml", "").body), &asYAML); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(asYAML)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &asYAML); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(raw, asYAML); d != "" {
		t.Errorf("YAML differs from JSON:\n%s", d)
	}
}

func example(body *struct {
	Content map[string]struct{ Example json.RawMessage }
},
) string {
	if body == nil {
		return ""
	}
	return string(body.Content["application/json"].Example)
}

// Each kind of problem that the code has is in the document and in docs/http-api.md, with its
// status.
func TestProblemsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/http-api.md")
	if err != nil {
		t.Fatal(err)
	}
	n := start(t, setup{})
	d, _ := readDocument(n)
	described := make(map[string]bool)
	for _, methods := range d.Paths {
		for _, op := range methods {
			for status, r := range op.Responses {
				for _, m := range regexp.MustCompile(`urn:ignis:problem:([\w-]+)`).FindAllStringSubmatch(r.Description, -1) {
					described[m[1]+" "+status] = true
				}
			}
		}
	}
	rows := make(map[string]string)
	for _, m := range regexp.MustCompile("(?m)^\\| `([\\w-]+)` \\| (\\d+) \\|").FindAllStringSubmatch(string(text), -1) {
		rows[m[1]] = m[2]
	}
	source, err := os.ReadFile("problem.go")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), "= kind{"); n != len(httpapi.Kinds()) {
		t.Errorf("problem.go has %d kinds, and Kinds returns %d", n, len(httpapi.Kinds()))
	}
	for name, status := range httpapi.Kinds() {
		code := strconv.Itoa(status)
		if rows[name] != code {
			t.Errorf("docs/http-api.md has the status %q for %s, want %s", rows[name], name, code)
		}
		delete(rows, name)
		if name != "method-not-allowed" && !described[name+" "+code] {
			t.Errorf("the OpenAPI document does not describe %s", name)
		}
	}
	for name := range rows {
		t.Errorf("docs/http-api.md has the problem %s, which does not exist", name)
	}
}

// The page loads only what the API itself serves, and its policy allows nothing else.
func TestDocsPage(t *testing.T) {
	n := start(t, setup{})
	page := n.do("", "GET", "/docs", "")
	policy := page.header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy %q does not contain %s", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") || page.header.Get("X-Content-Type-Options") != "nosniff" || page.header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("headers %v", page.header)
	}
	loaded := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page.body, -1)
	if len(loaded) == 0 {
		t.Error("the page loads nothing")
	}
	for _, m := range loaded {
		if a := n.do("", "GET", "/"+m[1], ""); a.status != 200 || strings.Contains(m[1], "/") {
			t.Errorf("%s: %d", m[1], a.status)
		}
	}
	script := n.do("", "GET", "/docs.js", "").body
	for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "localStorage", "sessionStorage", "cookie", "http:", "https:", " style="} {
		if strings.Contains(script, bad) || strings.Contains(page.body, bad) {
			t.Errorf("the page uses %s", bad)
		}
	}
	if strings.Contains(page.body, "<style") || strings.Contains(page.body, " on") && regexp.MustCompile(` on\w+=`).MatchString(page.body) {
		t.Error("the policy does not allow what the page contains")
	}
	off := start(t, setup{api: httpapi.Config{NoDocs: true}})
	for _, path := range []string{"/docs", "/docs.js", "/docs.css", "/openapi.json", "/openapi.yaml"} {
		off.do("", "GET", path, "").problem(404, "not-found")
	}
}

// The first requests for both forms of the document may come at once.
func TestConcurrentDocuments(t *testing.T) {
	n := start(t, setup{})
	var requests sync.WaitGroup
	for _, path := range slices.Repeat([]string{"/openapi.json", "/openapi.yaml"}, 4) {
		requests.Go(func() {
			res, err := n.http.Get(n.url + path)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			if n, err := io.Copy(io.Discard, res.Body); res.StatusCode != http.StatusOK || n < 10_000 || err != nil {
				t.Errorf("%s: status %d, %d bytes, %v", path, res.StatusCode, n, err)
			}
		})
	}
	requests.Wait()
}

// The page works in a browser: it lists every operation.
func TestDocsPageInABrowser(t *testing.T) {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed")
	}
	n := start(t, setup{})
	out, err := dump(t, browser, n.url+"/docs")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	d, _ := readDocument(n)
	for path, methods := range d.Paths {
		for _, op := range methods {
			if !strings.Contains(out, "<code>"+path+"</code>") || !strings.Contains(out, op.Summary) {
				t.Errorf("the page does not show %s\n%s", path, out)
			}
		}
	}
}

// What the operations that are decoded by hand accept is what their schemas accept, apart from
// rules that a schema cannot express.
func TestSchemasOfPublish(t *testing.T) {
	n := start(t, setup{})
	for _, message := range []string{
		hello, `{}`, `{"to":{"user":"a"}}`, `{"event":"x"}`, `{"to":{"user":"a"},"event":""}`, `{"to":{"user":""},"event":"x"}`, `{"to":{},"event":"x"}`,
		`{"to":{"everyone":true},"event":"x","exclude":["a"]}`, `{"to":{"everyone":false},"event":"x"}`, `{"to":{"user":"a","room":"b"},"event":"x"}`,
		`{"to":[],"event":"x"}`, `{"to":[{"user":"a"},{"room":"b"}],"event":"x","data":[1,{"a":null}]}`, `{"to":[[]],"event":"x"}`, `{"to":"a","event":"x"}`, `{"to":null,"event":"x"}`,
		`{"to":{"user":"a"},"event":"x","data":null}`, `{"to":{"user":"a"},"event":"x","key":5}`, `{"to":{"user":"a"},"event":"x","key":""}`,
		`{"to":{"user":"a"},"event":"x","key":"` + strings.Repeat("k", 257) + `"}`, `{"to":{"user":"a"},"event":"x","from":{"id":"c"}}`,
		`{"to":{"user":"a"},"event":"x","from":{}}`, `{"to":{"user":"a"},"event":"x","from":{"id":"c","userId":5}}`, `{"to":{"user":"a"},"event":"x","y":1}`, `5`, `[]`, `null`,
	} {
		for batch, body := range map[bool]string{false: message, true: `{"messages":[` + message + `]}`} {
			path := "/v1/publish"
			if batch {
				path += "/batch"
			}
			var v any
			if err := json.Unmarshal([]byte(body), &v); err != nil {
				t.Fatal(err)
			}
			if a := n.post(path, body); (a.status == 200) != httpapi.Accepts(batch, v) {
				t.Errorf("%s: answered %d, the schema accepts it: %v", body, a.status, httpapi.Accepts(batch, v))
			}
		}
	}
}
