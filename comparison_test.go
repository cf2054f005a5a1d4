package ignis_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/docsite"
)

var (
	reference  = regexp.MustCompile(`\[([^\]\[]+)\]\[([^\]\[]+)\]`)
	definition = regexp.MustCompile(`(?m)^\[([^\]]+)\]: (\S+)$`)
)

// Each cell of docs/comparison.md that claims something names its source, or says that it was not
// verified.
func TestComparisonHasSources(t *testing.T) {
	text := source(t, "docs/comparison.md")
	claims := 0
	for _, section := range strings.Split(text, "\n## ")[1:] {
		title, _, _ := strings.Cut(section, "\n")
		if title == "Versions" || title == "Where others are better" {
			continue // a column of dates; a summary of what the tables state with sources
		}
		for i, row := range tableRows(section) {
			if i == 0 {
				continue
			}
			for _, cell := range row[1:] {
				for claim := range strings.SplitSeq(cell, ";") {
					if claims++; !reference.MatchString(claim) && !strings.HasSuffix(claim, "not verified") && !withinLink(cell, claim) {
						t.Errorf("%s, %s: %q has no source", title, row[0], strings.TrimSpace(claim))
					}
				}
			}
		}
	}
	if claims < 150 {
		t.Errorf("%d claims", claims)
	}
}

// withinLink reports whether a part of a cell belongs to the text of a link that contains a semicolon.
func withinLink(cell, part string) bool {
	for _, m := range reference.FindAllStringSubmatch(cell, -1) {
		if strings.Contains(m[1], ";") && strings.Contains(m[0], strings.TrimSpace(part)) {
			return true
		}
	}
	return false
}

// Each source is defined once and used. Those in the repository exist.
func TestComparisonSources(t *testing.T) {
	text := source(t, "docs/comparison.md")
	used, defined := make(map[string]bool), make(map[string]bool)
	for _, m := range reference.FindAllStringSubmatch(text, -1) {
		used[m[2]] = true
	}
	for _, m := range definition.FindAllStringSubmatch(text, -1) {
		name, target := m[1], m[2]
		if defined[name] {
			t.Errorf("%s is defined twice", name)
		}
		if defined[name] = true; !used[name] {
			t.Errorf("%s is not used", name)
		}
		if strings.HasPrefix(target, "https://") {
			continue
		}
		file, anchor, _ := strings.Cut(target, "#")
		page, err := os.ReadFile(filepath.Join("docs", file))
		if err != nil {
			t.Error(err)
		}
		if anchor != "" && !docsite.OutlineOf(page).Anchors[anchor] {
			t.Errorf("%s has no section #%s", file, anchor)
		}
	}
	for name := range used {
		if !defined[name] {
			t.Errorf("%s is not defined", name)
		}
	}
}

// The figures in docs/comparison.md are those of the pages that they link to.
func TestComparisonFigures(t *testing.T) {
	text := source(t, "docs/comparison.md")
	pages := map[string]string{"ig-bench": source(t, "bench/RESULTS.md"), "ig-size": source(t, "sdk/ts/README.md")}
	figure := regexp.MustCompile(`\d+(?:\.\d+)?(?: (?:[Mk](?:/s)?|KB|µs))?`)
	n := 0
	for _, m := range reference.FindAllStringSubmatch(text, -1) {
		for _, f := range figure.FindAllString(m[1], -1) {
			if pages[m[2]] == "" {
				continue
			}
			if n++; !regexp.MustCompile(`(^|[^\d.])` + regexp.QuoteMeta(f) + `([^\d.]|$)`).MatchString(pages[m[2]]) {
				t.Errorf("the source of %q has no %q", m[1], f)
			}
		}
	}
	if n < 25 {
		t.Errorf("%d figures", n)
	}
	for _, name := range []string{"gws", "gorilla", "centrifuge", "Centrifugo"} {
		version := regexp.MustCompile(`(?m)^- ` + name + `: v([\d.]+),`).FindStringSubmatch(pages["ig-bench"])
		if version == nil || !strings.Contains(text, version[1]) {
			t.Errorf("the version of %s is not %v", name, version)
		}
	}
}
