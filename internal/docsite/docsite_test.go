package docsite

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/ignis-go/ignis/docs"
)

// source returns the source of a site with a page, which links can name page.md.
func source(text string) fstest.MapFS {
	return fstest.MapFS{
		"navigation.txt": {Data: []byte("Start\n  page.md  A page\n  other.md  Other\n")},
		"page.md":        {Data: []byte(text)},
		"other.md":       {Data: []byte("# The other page\n\nIt has *words*. And more.\n\n## A section\n")},
		"picture.png":    {Data: []byte("png")},
	}
}

// documentation returns the site of the documentation, which takes long to make.
func documentation(t *testing.T) *Site {
	t.Helper()
	site, err := makeDocumentation()
	if err != nil {
		t.Fatal(err)
	}
	return site
}

var makeDocumentation = sync.OnceValues(func() (*Site, error) { return New(docs.Files, "v1.2.3") })

// article returns the HTML of a page without the layout.
func article(t *testing.T, text string) string {
	t.Helper()
	s, err := New(source("# Title\n\n"+text), "")
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(s.pages[0].Body), "</h1>\n")
	return strings.TrimSpace(body)
}

func TestMarkdown(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"paragraph":       {"a *b* **c** ~~d~~", "<p>a <em>b</em> <strong>c</strong> <del>d</del></p>"},
		"page":            {"[x](other.md)", `<p><a href="other.html">x</a></p>`},
		"section":         {"[x](other.md#a-section)", `<p><a href="other.html#a-section">x</a></p>`},
		"name of a page":  {"[other.md](other.md#a-section)", `<p><a href="other.html#a-section">The other page</a></p>`},
		"path of a page":  {"[docs/other.md](other.md)", `<p><a href="other.html">The other page</a></p>`},
		"this page":       {"[x](#title)", `<p><a href="#title">x</a></p>`},
		"file":            {"[x](../wire/protocol.json#L3)", `<p><a href="https://github.com/ignis-go/ignis/blob/main/wire/protocol.json#L3">x</a></p>`},
		"folder":          {"[x](../sdk/ts)", `<p><a href="https://github.com/ignis-go/ignis/tree/main/sdk/ts">x</a></p>`},
		"another site":    {"[x](https://a.example/b.md)", `<p><a href="https://a.example/b.md">x</a></p>`},
		"bare URL":        {"https://a.example", `<p><a href="https://a.example">https://a.example</a></p>`},
		"picture":         {"![a \"b\"](picture.png)", `<p><img src="picture.png" alt="a &quot;b&quot;"></p>`},
		"heading":         {"## Keys & `--flags`", "<h2 id=\"keys----flags\">Keys &amp; <code class=\"one\">--flags</code><a class=\"anchor\" href=\"#keys----flags\" aria-label=\"Link to this section\"></a></h2>"},
		"code":            {"```\n<b>\n```", `<div class="code" data-language=""><pre class="scroll"><code>&lt;b&gt;` + "\n</code></pre></div>"},
		"colored code":    {"```js\nconst a = '<' // b\n```", `<div class="code" data-language="js"><pre class="scroll"><code><span class="w">const</span> a = <span class="s">&#39;&lt;&#39;</span> <span class="c">// b</span>` + "\n</code></pre></div>"},
		"terminal":        {"```console\n$ ls # all\na\n```", `<div class="code" data-language="console"><pre class="scroll"><code><span class="p">$ </span>ls<span class="c"> # all` + "</span>\n<span class=\"o\">a\n</span></code></pre></div>"},
		"code with space": {"`a b`", "<p><code>a b</code></p>"},
		"long code":       {"`" + strings.Repeat("a", 40) + "`", "<p><code>" + strings.Repeat("a", 40) + "</code></p>"},
		"line break":      {"a<br>b", "<p>a<br>b</p>"},
		"details":         {"<details>\n<summary>\n\na\n\n</summary>\n</details>", "<details>\n<summary>\n<p>a</p>\n</summary>\n</details>"},
		"comment":         {"a <!-- b --> c\n\n<!-- d\ne -->\n\nf", "<p>a  c</p>\n<p>f</p>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := article(t, test.text); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
	table := article(t, "| a |  |\n|--:|---|\n| `c` | d<br>e |")
	if !strings.HasPrefix(table, `<div class="table scroll" role="group" aria-label="Table"><table>`) || !strings.Contains(table, `<th align="right">a</th>`) || !strings.Contains(table, "<td></td>") || !strings.Contains(table, "<td>d<br>e</td>") || !strings.HasSuffix(table, "</table></div>") {
		t.Errorf("table: %s", table)
	}
}

// The rows of a table that is too wide for columns are blocks with labels, unless it is a comparison.
func TestWideTables(t *testing.T) {
	t.Parallel()
	row := func(cell string) string { return "|" + strings.Repeat(cell+"|", 7) + "\n" }
	long := row(strings.Repeat("long word ", 5))
	if got := article(t, row("a & b")+row("---")+long); !strings.Contains(got, `<div class="table stacked"`) || !strings.Contains(got, `<td data-label="a &amp; b">long word`) {
		t.Errorf("a wide table: %s", got)
	}
	for _, text := range []string{row("a") + row("---") + row("short words"), "|" + row("a") + "|---" + row("---") + "|b" + long} {
		if got := article(t, text); !strings.Contains(got, `<div class="table scroll"`) || strings.Contains(got, "data-label") {
			t.Errorf("another table: %s", got)
		}
	}
}

// HTML in a page becomes text, so that it can neither run scripts nor change the layout.
func TestHTMLBecomesText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"<script>alert(1)</script>", "a <img src=x onerror=alert(1)>", "<b onclick=alert(1)>a</b>", "<details ontoggle=alert(1) open>",
		"<iframe src=//a.example></iframe>", "<style>* { display: none }</style>", "<!-- a --><script>alert(1)</script>", "<!-->\n<script>alert(1)</script>\n-->",
		"```\"><script>alert(1)</script>\na\n```", "## <script>alert(1)</script>", "| <svg onload=alert(1)> |\n|---|", "`<script>`", "<!-- a --> <script>alert(1)</script> <!-- b -->",
		"<div>\n<script>\nalert(1)\n</script>\n</div>", "<b\nonclick=alert(1)>a</b>", "<br onclick=alert(1)>",
	} {
		got := article(t, text)
		if element := regexp.MustCompile(`(?i)<(script|img|iframe|style|svg|div>|\w+[^>]* on)`).FindString(got); element != "" {
			t.Errorf("%q: %q in %s", text, element, got)
		}
	}
}

// What is wrong with a page is an error that names it.
func TestProblems(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"no title":                             "page.md has no title",
		"# A\n\n[x](missing.md)":               "page.md: link to missing.md: there is no such page",
		"# A\n\n[x](#b)":                       "page.md: link to #b: page.md has no section #b",
		"# A\n\n[x](other.md#b)":               "page.md: link to other.md#b: other.md has no section #b",
		"# A\n\n[x](../../b)":                  "it leaves the repository",
		"# A\n\n[x](/b)":                       "write it relative to the page",
		"# A\n\n[x](//b.example)":              "write it relative to the page",
		"# A\n\n[x](javascript:alert(1))":      "only http, https and mailto are allowed",
		"# A\n\n<javascript:alert(1)>":         "only http, https and mailto are allowed",
		"# A\n\n[x](data:text/html,a)":         "only http, https and mailto are allowed",
		"# A\n\n[x](https://)":                 "expected a host",
		"# A\n\n[x](https://u:p@b.example)":    "expected a host",
		"# A\n\n[x](http://%zz)":               "invalid URL escape",
		"# A\n\n![x](missing.png)":             "page.md: link to missing.png: pictures must be files that package docs embeds",
		"# A\n\n![x](https://b.example/c.png)": "pictures must be files that package docs embeds",
	} {
		if _, err := New(source(text), ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestNavigation(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{
		"# nothing":                              "navigation.txt does not list other.md: add a line",
		"  page.md A":                            "navigation.txt:1: expected a file and its short title",
		"Start\n  page.md":                       "navigation.txt:2: expected a file and its short title",
		"A\n  page.md A\n\nB\n  page.md A\n":     "navigation.txt:5: page.md is listed twice",
		"A\n  page.md A\nB\n":                    "navigation.txt does not list other.md",
		"A\n  page.md A\n  later.md B\n":         "navigation.txt:3: later.md does not exist",
		"A\n  page.md A\n  other.md B\n\n# C\nD": "",
	} {
		files := source("# A")
		files["navigation.txt"] = &fstest.MapFile{Data: []byte(list)}
		s, err := New(files, "")
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", list, err, want)
		}
		if err == nil && (len(s.groups) != 1 || s.pages[1].Short != "B") {
			t.Errorf("%q: %+v", list, s.groups)
		}
	}
	if _, err := New(fstest.MapFS{}, ""); err == nil {
		t.Error("a site without a navigation was rendered")
	}
}

// Anchors are those of GitHub.
func TestAnchors(t *testing.T) {
	t.Parallel()
	a := make(anchors)
	for _, row := range [][2]string{
		{"Docker", "docker"},
		{"Docker", "docker-1"},
		{"Docker 1", "docker-1-1"},
		{"Docker", "docker-2"},
		{"Why can this customer's page not connect?", "why-can-this-customers-page-not-connect"},
		{"TLS, and --flags_too", "tls-and---flags_too"},
		{"Größe 2", "größe-2"},
		{"a / b", "a--b"},
		{"漢字", "漢字"},
		{"→", ""},
	} {
		if got := a.add(row[0]); got != row[1] {
			t.Errorf("%q: %q, want %q", row[0], got, row[1])
		}
	}
	o := OutlineOf([]byte("# A `b` [c](d) &amp; e\n\n```\n# no heading\n```\n"))
	if len(o.Anchors) != 1 || !o.Anchors["a-b-c--e"] || !slices.Equal(o.Links, []string{"d"}) {
		t.Errorf("outline: %+v", o)
	}
}

// The search finds texts without markup, by section.
func TestIndex(t *testing.T) {
	t.Parallel()
	s, err := New(source("# Title\n\nIt *says* `<b>` &amp; [other.md](other.md).\n\n## Keys\n\n| a | b | c |\n|---|---|---|\n| 1 |  | 3<br>4 |\n\n| key | meaning |\n|---|---|\n| `a.b` | One. |\n| `keys` | Two. |\n| `c` or `d` | |\n| `e` | |\n\n- one\n- two\n\n```sh\nls\n```\n\n<!-- not this -->\n\n### Empty\n"), "")
	if err != nil {
		t.Fatal(err)
	}
	var got []indexed
	if err := json.Unmarshal(s.files["search.json"].content, &got); err != nil {
		t.Fatal(err)
	}
	want := [][3]string{
		{"", "", "It says <b> & The other page."},
		{"keys", "Keys", "a · b · c 1 · 3 4 one two ls"},
		{"ab", "a.b", "One."},
		{"keys-1", "keys", "Two."},
		{"c-or-d", "c or d", ""},
		{"e", "e", ""},
		{"empty", "Empty", ""},
	}
	if p := got[0]; p.File != "page.html" || p.Title != "Title" || p.Short != "A page" || p.Group != "Start" || !slices.Equal(p.Sections, want) {
		t.Errorf("got %+v", p)
	}
	if text := string(s.files["page.html"].content); !strings.Contains(text, `<tr id="keys-1">`) {
		t.Errorf("the rows have no anchors: %s", text)
	}
	if text := string(s.files["llms.txt"].content); !strings.HasPrefix(text, "# Ignis for Go\n\n> ") || !strings.HasSuffix(text, "\n## Start\n\n- [Title](page.md): It says <b> & The other page.\n- [The other page](other.md): It has words.\n") {
		t.Errorf("llms.txt: %s", text)
	}
	if text := string(s.files["llms-full.txt"].content); !strings.Contains(text, "It *says* `<b>`") || !strings.HasSuffix(text, "## A section\n") {
		t.Errorf("llms-full.txt: %s", text)
	}
}

// Each page begins with a sentence that says what it is for. It is its description in llms.txt.
func TestSummaries(t *testing.T) {
	t.Parallel()
	s := documentation(t)
	block := regexp.MustCompile("^([#|<!-]|```)") // something other than a paragraph
	for _, p := range s.pages {
		_, text, _ := strings.Cut(strings.TrimSpace(string(p.source)), "\n\n")
		switch {
		case block.MatchString(text):
			t.Errorf("%s begins with %.20q: write a sentence that says what the page is for", p.File, text)
		case len(strings.Fields(p.Summary)) < 8 || !strings.HasSuffix(p.Summary, "."):
			t.Errorf("%s: the first sentence is %q: say what the page is for", p.File, p.Summary)
		}
	}
}

// Links, pictures, scripts and styles of the whole site lead to files and sections of the site, in
// whatever folder a web server has it.
func TestSite(t *testing.T) {
	t.Parallel()
	site := documentation(t)
	root := t.TempDir()
	if err := site.Write(filepath.Join(root, "some", "folder")); err != nil {
		t.Fatal(err)
	}
	server := http.FileServerFS(os.DirFS(root))
	reference := regexp.MustCompile(`(?:href|src|data-index)="([^"]*)"`)
	id := regexp.MustCompile(`id="([^"]*)"`)
	get := func(target string) string {
		w := httptest.NewRecorder()
		server.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody))
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d", target, w.Code)
		}
		return w.Body.String()
	}
	checked := 0
	for _, name := range site.Names() {
		if path.Ext(name) != ".html" {
			continue
		}
		base := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/some/folder/"+name, http.NoBody).URL
		text := get(strings.TrimSuffix(base.Path, "index.html")) // to which this server redirects
		ids := make(map[string]bool)
		for _, m := range id.FindAllStringSubmatch(text, -1) {
			if ids[m[1]] {
				t.Errorf("%s: two elements have the id %s", name, m[1])
			}
			ids[m[1]] = true
		}
		for _, m := range reference.FindAllStringSubmatch(text, -1) {
			u, err := base.Parse(m[1])
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if u.Host != "" {
				continue
			}
			checked++
			file, ok := strings.CutPrefix(u.Path, "/some/folder/")
			if _, exists := site.files[file]; !ok || !exists {
				t.Errorf("%s links to %s, which is not in the site", name, m[1])
			}
			if anchor := `id="` + u.Fragment + `"`; u.Fragment != "" && !strings.Contains(string(site.files[file].content), anchor) {
				t.Errorf("%s links to %s, which has no such section", name, m[1])
			}
		}
	}
	if checked < 500 {
		t.Errorf("only %d links were checked", checked)
	}
	if text := get("/some/folder/tokens.html"); !strings.Contains(text, "<title>Tokens · Ignis for Go</title>") || !strings.Contains(text, "v1.2.3") {
		t.Errorf("tokens.html: %.2000s", text)
	}
}

// Links to the rest of the repository lead to files and folders that exist, and of the right kind.
func TestRepositoryLinks(t *testing.T) {
	t.Parallel()
	site := documentation(t)
	checked := 0
	for _, p := range site.pages {
		for _, m := range regexp.MustCompile(`href="`+repository+`/(blob|tree)/main/([^"#]*)`).FindAllStringSubmatch(string(p.Body), -1) {
			info, err := os.Stat(filepath.Join("..", "..", filepath.FromSlash(m[2])))
			if err != nil || info.IsDir() != (m[1] == "tree") {
				t.Errorf("%s: %s: %v", p.File, m[0], err)
			}
			checked++
		}
	}
	if checked == 0 {
		t.Error("there are no links")
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	s, err := New(source("# Title"), "")
	if err != nil {
		t.Fatal(err)
	}
	h := http.StripPrefix("/docs/", s)
	for _, row := range []struct {
		method, path string
		code         int
		kind, text   string
	}{
		{"GET", "/docs/page.html", 200, "text/html; charset=utf-8", "<h1 id=\"title\">Title"},
		{"HEAD", "/docs/page.html", 200, "text/html; charset=utf-8", ""},
		{"GET", "/docs/page.md", 200, "text/markdown; charset=utf-8", "# Title"},
		{"GET", "/docs/page", 302, "", ""},
		{"GET", "/docs/llms.txt", 200, "text/plain; charset=utf-8", "# Ignis"},
		{"GET", "/docs/search.json?v=1", 200, "application/json", "[{"},
		{"GET", "/docs/search.js", 200, "text/javascript; charset=utf-8", ""},
		{"GET", "/docs/style.css", 200, "text/css; charset=utf-8", ":root"},
		{"GET", "/docs/icon.svg", 200, "image/svg+xml", "<svg"},
		{"GET", "/docs/missing", 404, "text/html; charset=utf-8", "Page not found"},
		{"GET", "/docs/a/page.html", 404, "text/plain; charset=utf-8", "404"},
		{"GET", "/docs/../page.html", 404, "text/plain; charset=utf-8", "404"},
		{"GET", "/docs/navigation.txt", 404, "text/html; charset=utf-8", "Page not found"},
		{"POST", "/docs/page.html", 405, "text/plain; charset=utf-8", "Only GET and HEAD"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), row.method, row.path, http.NoBody))
		if w.Code != row.code || w.Header().Get("Content-Type") != row.kind || !strings.Contains(w.Body.String(), row.text) || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s: %d %v %.200s", row.method, row.path, w.Code, w.Header(), w.Body)
		}
		if policy := w.Header().Get("Content-Security-Policy"); row.code == 200 && (!strings.HasPrefix(policy, "default-src 'none'; script-src 'self';") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe")) {
			t.Errorf("%s: policy %s", row.path, policy)
		}
		if row.code == 302 && w.Header().Get("Location") != "page.html" {
			t.Errorf("%s: %v", row.path, w.Header())
		}
		if row.code != 200 || row.method != http.MethodGet {
			continue
		}
		again := httptest.NewRequestWithContext(t.Context(), row.method, row.path, http.NoBody)
		again.Header.Set("If-None-Match", w.Header().Get("ETag"))
		w = httptest.NewRecorder()
		h.ServeHTTP(w, again)
		if w.Code != http.StatusNotModified {
			t.Errorf("%s again: %d", row.path, w.Code)
		}
	}
}

// Pages need no inline script or style, which the policy would block.
func TestNothingInline(t *testing.T) {
	t.Parallel()
	site := documentation(t)
	inline := regexp.MustCompile(`(?i)<style|<script>|<script [^>]*>[^<]|<[a-z]+ [^>]*\s(?:style|on[a-z]+)=`)
	for _, name := range site.Names() {
		if m := inline.Find(site.files[name].content); path.Ext(name) == ".html" && m != nil {
			t.Errorf("%s: %s", name, m)
		}
	}
}
