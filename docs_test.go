package ignis_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/docsite"
	"github.com/ignis-go/ignis/internal/longtest"
)

// The tests in this file compare the documentation with the code.

// tableRows returns the cells of all rows of the tables in a Markdown text.
func tableRows(text string) (rows [][]string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "| ") {
			cells := strings.Split(strings.Trim(line, "|"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			rows = append(rows, cells)
		}
	}
	return rows
}

// docs/limits.md lists each limit of Config with its default.
func TestLimitsAreDocumented(t *testing.T) {
	text := source(t, "docs/limits.md")
	defaults := make(map[string][]string)
	for _, row := range tableRows(text) {
		if field := regexp.MustCompile("^`(\\w+)`").FindStringSubmatch(row[min(1, len(row)-1)]); field != nil && len(row) == 6 {
			defaults[field[1]] = append(defaults[field[1]], row[3])
		}
	}
	for name, want := range documentedDefaults(t) {
		if want == math.MaxInt {
			if !strings.Contains(text, "`Config."+name+"`") {
				t.Errorf("docs/limits.md does not mention Config.%s", name)
			}
			continue
		}
		if defaults[name] == nil {
			t.Errorf("docs/limits.md has no row for Config.%s", name)
		}
		for _, got := range defaults[name] {
			if n, ok := parseDefault(got); !ok || n != want {
				t.Errorf("docs/limits.md states %q as the default of %s, which is %d", got, name, want)
			}
		}
	}
}

// docs/limits.md names fields of Stats, reasons and causes that exist, and each reason for
// which messages are dropped.
func TestCountersAreDocumented(t *testing.T) {
	text := source(t, "docs/limits.md")
	for _, row := range tableRows(text) {
		for _, m := range regexp.MustCompile("`([A-Z]\\w+)`").FindAllStringSubmatch(row[len(row)-1], -1) {
			if _, ok := reflect.TypeFor[ignis.Stats]().FieldByName(m[1]); !ok {
				t.Errorf("docs/limits.md names the counter %s, which Stats does not have", m[1])
			}
		}
	}
	var causes []string
	for _, m := range regexp.MustCompile(`Cause\w+\s+Cause = "([^"]+)"`).FindAllStringSubmatch(source(t, "causes.go"), -1) {
		causes = append(causes, m[1])
	}
	for _, m := range regexp.MustCompile("cause `([^`]+)`").FindAllStringSubmatch(text, -1) {
		if !slices.Contains(causes, m[1]) {
			t.Errorf("docs/limits.md names the cause %q; the causes are %q", m[1], causes)
		}
	}
	s, err := ignis.New(ignis.Config{Authenticate: anyone})
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]bool)
	for _, m := range regexp.MustCompile("`Dropped\\[\"([^\"]+)\"\\]`").FindAllStringSubmatch(text, -1) {
		documented[m[1]] = true
	}
	reasons := slices.Sorted(maps.Keys(s.Stats().Dropped))
	if got := slices.Sorted(maps.Keys(documented)); !slices.Equal(got, reasons) {
		t.Errorf("docs/limits.md names the reasons %q, and Stats.Dropped has %q", got, reasons)
	}
}

// docs/limits.md has a row for each policy.
func TestSlowPoliciesAreDocumented(t *testing.T) {
	text, n := source(t, "docs/limits.md"), 0
	for _, name := range constants(t, "slow.go", "Slow") {
		p := ignis.SlowPolicy(n)
		if row := regexp.MustCompile("(?m)^\\| `" + name + "`[^|]*\\| `" + p.String() + "` \\|"); !row.MatchString(text) {
			t.Errorf("docs/limits.md has no row for %s and %v", name, p)
		}
		n++
	}
	if p := ignis.SlowPolicy(n); !strings.HasPrefix(p.String(), "SlowPolicy(") {
		t.Errorf("the policy %v has no constant", p)
	}
}

// The table of packages in ARCHITECTURE.md is the table importRules.
func TestArchitectureImports(t *testing.T) {
	quoted := regexp.MustCompile("`([^`]+)`")
	documented := make(map[string]bool)
	for _, row := range tableRows(source(t, "ARCHITECTURE.md")) {
		first := quoted.FindStringSubmatch(row[0])
		if len(row) != 3 || first == nil {
			continue
		}
		name := first[1]
		rule, ok := importRules[name]
		if !ok {
			continue // another module
		}
		documented[name] = true
		var imports []string
		for _, m := range quoted.FindAllStringSubmatch(row[2], -1) {
			imports = append(imports, m[1])
		}
		want := slices.Clone(rule.own)
		for i := range want {
			if want[i] == "." {
				want[i] = "ignis"
			}
		}
		want = slices.DeleteFunc(want, func(own string) bool { return importRules[own].planned })
		slices.Sort(want)
		slices.Sort(imports)
		if !slices.Equal(imports, want) {
			t.Errorf("ARCHITECTURE.md: %s imports %q, and importRules has %q", name, imports, want)
		}
	}
	for name, rule := range importRules {
		if !documented[name] && !rule.planned {
			t.Errorf("ARCHITECTURE.md has no row for %s", name)
		}
	}
}

// Files, functions and other names that ARCHITECTURE.md quotes exist.
func TestArchitectureNames(t *testing.T) {
	longtest.Mark(t)
	known, files := goNames(t)
	for _, m := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(source(t, "ARCHITECTURE.md"), -1) {
		switch text := m[1]; {
		case regexp.MustCompile(`^[\w/]*\w\.(go|lua|md|json|txt|sh)$`).MatchString(text):
			if !slices.ContainsFunc(files, func(f string) bool { return f == text || strings.HasSuffix(f, "/"+text) }) {
				t.Errorf("ARCHITECTURE.md names the file %s, which does not exist", text)
			}
		case regexp.MustCompile(`^[A-Za-z]\w*(\.[A-Za-z]\w*)*$`).MatchString(text):
			for name := range strings.SplitSeq(text, ".") {
				if !known[name] {
					t.Errorf("ARCHITECTURE.md names %s, but the code has no %s", text, name)
				}
			}
		}
	}
}

// goNames returns all identifiers and folders of the repository, and its files.
func goNames(t *testing.T) (known map[string]bool, files []string) {
	t.Helper()
	known = make(map[string]bool)
	for _, file := range repository(t) {
		files = append(files, file)
		for part := range strings.SplitSeq(filepath.ToSlash(filepath.Dir(file)), "/") {
			known[part] = true
		}
		if filepath.Ext(file) == ".lua" {
			for _, word := range regexp.MustCompile(`\w+`).FindAllString(source(t, file), -1) {
				known[word] = true
			}
		}
		if filepath.Ext(file) != ".go" {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok {
				known[id.Name] = true
			}
			return true
		})
	}
	return known, files
}

// repository returns the files of the repository, except hidden and installed ones.
func repository(t *testing.T) (files []string) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch hidden := strings.HasPrefix(d.Name(), ".") && path != "."; {
		case err != nil:
			return err
		case d.IsDir() && (hidden || d.Name() == "node_modules"):
			return fs.SkipDir
		case !d.IsDir() && !hidden:
			files = append(files, filepath.ToSlash(path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Links between the documents lead to files and sections that exist. Package docsite checks those of
// the documentation, too, as they are on the site.
func TestLinks(t *testing.T) {
	outlines := make(map[string]docsite.Outline)
	outline := func(file string) docsite.Outline {
		if _, ok := outlines[file]; !ok {
			outlines[file] = docsite.OutlineOf([]byte(source(t, file)))
		}
		return outlines[file]
	}
	for _, file := range repository(t) {
		if filepath.Ext(file) != ".md" {
			continue
		}
		for _, link := range outline(file).Links {
			u, err := url.Parse(link)
			if err != nil || u.Scheme != "" && u.Host == "" && u.Scheme != "mailto" {
				t.Errorf("%s: malformed link %s: %v", file, link, err)
				continue
			}
			if u.Scheme != "" {
				continue // to another site
			}
			target := file
			if u.Path != "" {
				target = filepath.Join(filepath.Dir(file), u.Path)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			if u.Fragment != "" && !outline(target).Anchors[u.Fragment] {
				t.Errorf("%s: %s has no section #%s", file, target, u.Fragment)
			}
		}
	}
}

// The samples in the documentation and the examples avoid mistakes that readers would copy.
func TestSamplesAreCareful(t *testing.T) {
	faults := map[string]*regexp.Regexp{
		"a message of a backend has no from: write from?.userId": regexp.MustCompile(`\bfrom\.userId`),
		"an error page is not an answer: check response.ok":      regexp.MustCompile(`\(await fetch\([^\n]*\)\)\.(text|json)\(`),
		"the reader may have the file: append with >>":           regexp.MustCompile(`tail [^\n>]*[^>]> *ignis\.yaml`),
	}
	sample := regexp.MustCompile(`^(README\.md|sdk/ts/README\.md|(docs|deploy)/.*\.md|examples/.*\.(md|html|js|mjs|tsx))$`)
	n := 0
	for _, file := range repository(t) {
		if !sample.MatchString(file) || strings.HasSuffix(file, ".test.mjs") {
			continue
		}
		n++
		text := source(t, file)
		for fault, pattern := range faults {
			if found := pattern.FindString(text); found != "" {
				t.Errorf("%s: %s: %s", file, found, fault)
			}
		}
	}
	if n < 60 {
		t.Errorf("found %d files", n)
	}
}
