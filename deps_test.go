package ignis_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/longtest"
)

const modulePath = "github.com/ignis-go/ignis"

// importRule lists what the packages of this module may import. Tests may import more.
type importRule struct {
	own     []string // packages of this module; "." is the root package
	modules []string // other modules
	planned bool     // the package may still be missing
}

var importRules = map[string]importRule{
	".": {
		own:     []string{"wire", "seal", "internal/inbox", "internal/limit", "internal/loglimit", "internal/memory", "internal/printable", "internal/refusal", "internal/registry", "internal/ws"},
		modules: []string{"github.com/gobwas/ws", "github.com/google/uuid"},
	},
	"wire":                  {},
	"seal":                  {},
	"internal/printable":    {},
	"internal/refusal":      {},
	"internal/filewatch":    {},
	"internal/nearest":      {},
	"internal/loglimit":     {own: []string{"internal/printable"}},
	"internal/redisconn":    {modules: []string{"github.com/redis/rueidis"}},
	"internal/inbox":        {},
	"internal/listen":       {own: []string{"internal/filewatch", "internal/loglimit"}, modules: []string{"github.com/pires/go-proxyproto"}},
	"internal/acmecert":     {own: []string{"internal/printable"}, modules: []string{"golang.org/x/crypto"}}, // acme
	"internal/limit":        {},
	"internal/logarea":      {},
	"internal/observe":      {own: []string{"internal/listen"}},
	"internal/memory":       {},
	"internal/registry":     {},
	"internal/ws":           {own: []string{"internal/limit"}, modules: []string{"github.com/gobwas/ws", "github.com/klauspost/compress", "golang.org/x/sys"}}, // compress/flate has one window, RFC 7692 eight
	"internal/herd":         {own: []string{"wire", "seal"}, modules: []string{"golang.org/x/sys"}},
	"redisbus":              {own: []string{"wire", "internal/loglimit", "internal/printable", "internal/redisconn"}, modules: []string{"github.com/redis/rueidis"}},
	"emitter":               {own: []string{"wire"}},
	"client":                {own: []string{"wire", "seal", "internal/printable"}, modules: []string{"github.com/gobwas/ws"}},
	"cron":                  {own: []string{"internal/loglimit"}},
	"cron/rediscron":        {own: []string{"cron", "internal/printable", "internal/redisconn", "redisbus"}, modules: []string{"github.com/redis/rueidis"}},
	"emitter/httppublisher": {own: []string{"emitter", "wire"}},
	"httpapi": {
		own:     []string{".", "wire", "internal/limit", "internal/loglimit"},
		modules: []string{"github.com/danielgtaylor/huma/v2"}, // OpenAPI from the code
	},
	"access":           {own: []string{"internal/configfile"}, modules: []string{"go.yaml.in/yaml/v3", "golang.org/x/text"}},
	"access/enforce":   {own: []string{".", "access", "internal/loglimit", "internal/refusal", "wire"}},
	"auth/jwtauth":     {own: []string{".", "wire", "internal/filewatch", "internal/printable", "internal/strictjson"}, modules: []string{"github.com/golang-jwt/jwt/v5"}},
	"webhook":          {own: []string{".", "wire", "internal/loglimit", "internal/printable", "internal/strictjson"}},
	"promignis":        {own: []string{".", "access", "access/enforce", "auth/jwtauth", "cron", "redisbus", "webhook", "wire"}, modules: []string{"github.com/prometheus/client_golang"}},
	"console":          {planned: true},
	"docs":             {},
	"internal/docsite": {modules: []string{"github.com/yuin/goldmark"}}, // Markdown
	"internal/app":     {own: []string{".", "wire", "access", "access/enforce", "auth/jwtauth", "docs", "httpapi", "internal/acmecert", "internal/docsite", "internal/filewatch", "internal/listen", "internal/logarea", "internal/loglimit", "internal/observe", "internal/systemd", "promignis", "redisbus", "webhook", "console"}},
	"internal/doctor": {
		own:     []string{".", "wire", "auth/jwtauth", "client", "internal/acmecert", "internal/app", "internal/filewatch", "internal/listen", "internal/printable", "internal/redisconn"},
		modules: []string{"github.com/gobwas/ws", "github.com/golang-jwt/jwt/v5", "github.com/redis/rueidis"},
	},
	"cmd/ignis": {
		own: []string{".", "wire", "seal", "access", "auth/jwtauth", "docs", "httpapi", "internal/acmecert", "internal/app", "internal/completion", "internal/configfile", "internal/docsite", "internal/doctor", "internal/filewatch", "internal/herd", "internal/listen", "internal/logarea", "internal/manpage", "internal/memory", "internal/nearest", "internal/observe", "internal/printable", "internal/sdktest", "internal/strictjson", "internal/systemd", "promignis", "redisbus", "emitter", "emitter/httppublisher", "client", "cron", "cron/rediscron", "webhook"},
		modules: []string{
			"github.com/alecthomas/kong",
			"go.yaml.in/yaml/v3",
		},
	},

	"internal/sdktest": {
		own:     []string{"wire", "seal", "internal/childproc", "internal/printable"},
		modules: []string{"github.com/gobwas/ws"},
	},
	"internal/sdktest/godriver": {own: []string{"wire", "client"}},

	"internal/completion": {modules: []string{"github.com/alecthomas/kong"}},
	"internal/manpage":    {modules: []string{"github.com/alecthomas/kong"}},
	"internal/configfile": {own: []string{"internal/nearest"}, modules: []string{"go.yaml.in/yaml/v3"}},
	"internal/strictjson": {own: []string{"wire"}},
	"internal/systemd":    {modules: []string{"golang.org/x/sys"}}, // the clock CLOCK_MONOTONIC

	// For tests only.
	"internal/schematest": {modules: []string{"go.yaml.in/yaml/v3"}},

	"deploy":             {}, // tests of its files
	"bustest":            {own: []string{".", "wire", "emitter"}, modules: []string{"go.uber.org/goleak"}},
	"ignistest":          {own: []string{".", "wire", "bustest", "client", "internal/memnet"}},
	"cron/crontest":      {own: []string{"cron"}},
	"internal/certtest":  {},
	"internal/childproc": {modules: []string{"golang.org/x/sys"}},
	"internal/doctest":   {own: []string{"internal/testprog"}},
	"internal/logtest":   {},
	"internal/longtest":  {},
	"internal/memnet":    {},
	"internal/redistest": {own: []string{"internal/childproc", "internal/testprog"}},
	"internal/testprog":  {own: []string{"internal/childproc"}},
	"internal/sdktest/model": {
		own:     []string{"wire", "seal"},
		modules: []string{"github.com/gobwas/ws"},
	},
}

// linkRules lists all other modules that are linked into a program which imports the
// package, directly or indirectly. A chat on a single machine includes no Redis client,
// no metrics and no command-line parser.
var linkRules = map[string][]string{
	".": {
		"github.com/gobwas/httphead",
		"github.com/gobwas/pool",
		"github.com/gobwas/ws",
		"github.com/google/uuid",
		"github.com/klauspost/compress",
		"golang.org/x/sys",
	},
	"auth/jwtauth": {
		"github.com/gobwas/httphead",
		"github.com/gobwas/pool",
		"github.com/gobwas/ws",
		"github.com/golang-jwt/jwt/v5",
		"github.com/google/uuid",
		"github.com/klauspost/compress",
		"golang.org/x/sys",
	},
	"access": {"go.yaml.in/yaml/v3", "golang.org/x/text"},
	"httpapi": {
		"github.com/danielgtaylor/huma/v2",
		"github.com/gobwas/httphead",
		"github.com/gobwas/pool",
		"github.com/gobwas/ws",
		"github.com/google/uuid",
		"github.com/klauspost/compress",
		"golang.org/x/sys",
	},
	"webhook": {
		"github.com/gobwas/httphead",
		"github.com/gobwas/pool",
		"github.com/gobwas/ws",
		"github.com/google/uuid",
		"github.com/klauspost/compress",
		"golang.org/x/sys",
	},
	"emitter/httppublisher": {},
	"client":                {"github.com/gobwas/httphead", "github.com/gobwas/pool", "github.com/gobwas/ws"},
	"wire":                  {},
	"seal":                  {},
	"cron":                  {},
	"emitter":               {},
}

// TestDependencies compares the packages of this module with the tables above, as they
// are built for each system.
func TestDependencies(t *testing.T) {
	longtest.Mark(t)
	for _, system := range []string{"linux", "darwin", "windows"} {
		t.Run(system, func(t *testing.T) {
			t.Parallel()
			pkgs := goList(t, system)
			for name, r := range importRules {
				if pkgs[importPath(name)] == nil && !r.planned {
					t.Errorf("%s is in the table importRules but not in the module: take it out", name)
				}
			}
			for _, p := range pkgs {
				if p.ours() {
					checkImports(t, pkgs, p)
					checkLinks(t, pkgs, p)
				}
			}
		})
	}
}

func checkImports(t *testing.T, pkgs map[string]*goPackage, p *goPackage) {
	r, ok := importRules[p.name()]
	if !ok {
		t.Errorf("%s is in no table: add it to importRules in deps_test.go, with what it may import", p.name())
		return
	}
	for _, imported := range p.Imports {
		switch dep := pkgs[imported]; {
		case dep == nil || dep.Standard: // nil: the standard library's copy of a module
		case dep.ours():
			if !slices.Contains(r.own, dep.name()) {
				t.Errorf("%s imports %s; the table importRules does not allow it", p.name(), dep.name())
			}
		case !slices.Contains(r.modules, dep.Module.Path):
			t.Errorf("%s imports %s of %s; the table importRules does not allow it", p.name(), imported, dep.Module.Path)
		}
	}
}

func checkLinks(t *testing.T, pkgs map[string]*goPackage, p *goPackage) {
	allowed, ok := linkRules[p.name()]
	if !ok {
		return
	}
	for _, linked := range p.Deps {
		dep := pkgs[linked]
		if dep == nil || dep.Standard || dep.ours() || slices.Contains(allowed, dep.Module.Path) {
			continue
		}
		t.Errorf("%s links %s of %s; the table linkRules does not allow it", p.name(), linked, dep.Module.Path)
	}
}

// goPackage is the output of go list for a package.
type goPackage struct {
	ImportPath string
	Standard   bool
	Imports    []string               // excluding tests
	Deps       []string               // direct and indirect imports
	Module     *struct{ Path string } // nil in the standard library
}

func (p *goPackage) ours() bool { return p.Module != nil && p.Module.Path == modulePath }

// name returns the name of a package of this module in the tables.
func (p *goPackage) name() string {
	if p.ImportPath == modulePath {
		return "."
	}
	return strings.TrimPrefix(p.ImportPath, modulePath+"/")
}

// importPath returns the import path of a package in the tables.
func importPath(name string) string {
	if name == "." {
		return modulePath
	}
	return modulePath + "/" + name
}

// goList returns this module's packages and all their imports, by import path.
func goList(t *testing.T, system string) map[string]*goPackage {
	var stderr bytes.Buffer
	cmd := childproc.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Standard,Imports,Deps,Module", "./...")
	cmd.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, &stderr)
	}
	pkgs := make(map[string]*goPackage)
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return pkgs
		}
		if err != nil {
			t.Fatal(err)
		}
		pkgs[p.ImportPath] = &p
	}
}
