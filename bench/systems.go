package main

import (
	"cmp"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/herd"
)

// Cores of the processes. Server and herd never share a core.
const (
	serverCore = "0"
	herdCore   = "1"
)

// isOurs reports whether the system is this library, from this checkout or another one.
func (s system) isOurs() bool { return s.name == ours || s.name == earlier || s.linksMetrics() }

// linksMetrics reports whether the system is this library in a program that links what metrics need.
func (s system) linksMetrics() bool { return s.name == metered || s.name == unmetered }

// isBun reports whether the system is a variant of the reference.
func (s system) isBun() bool { return s.name == reference || s.name == quietBun }

// system is a server that takes part in the comparison.
type system struct {
	name     string // name on the command line and in results.json
	title    string // name on the page and in the plot
	module   string // Go module that determines the version, empty for variants of Ignis
	protocol string // protocol of the clients, "ignis" or "centrifuge"
	only     string // the only workload that it takes part in, if not empty
	src      string // bench folder of another checkout, empty for this one
}

const (
	ours    = "ignis"
	earlier = "before" // this library from another checkout
	// metered is this library with metrics. unmetered is the same program without them: where the
	// linker places code changes figures by more than metrics do, so only these two show what metrics
	// cost. Both are measured only if they are named.
	metered   = "metrics"
	unmetered = "metrics-off"
	reference = "bun"
	quietBun  = "bun-quiet"
	// centrifugo is the reference of the workload publish. It is a released program, not a
	// server in this folder.
	centrifugo = "centrifugo"
)

// systems contains all systems in the order of the tables.
var systems = []system{
	{name: ours, title: "**Ignis for Go**", protocol: "ignis"},
	{name: earlier, title: "Ignis for Go, before", protocol: "ignis"},
	{name: metered, title: "Ignis for Go, with metrics", protocol: "ignis"},
	{name: unmetered, title: "Ignis for Go, without the metrics that it links", protocol: "ignis"},
	{name: reference, title: "Ignis on Bun", protocol: "ignis"},
	{name: quietBun, title: "Ignis on Bun, logger silenced", protocol: "ignis", only: "connect"},
	{name: "gws", title: "gws", module: "github.com/lxzan/gws", protocol: "ignis"},
	{name: "gorilla", title: "gorilla", module: "github.com/gorilla/websocket", protocol: "ignis"},
	{name: "centrifuge", title: "centrifuge", module: "github.com/centrifugal/centrifuge", protocol: "centrifuge"},
	{name: centrifugo, title: "Centrifugo", module: centrifugoModule, protocol: "centrifuge", only: publishing},
}

// lab contains what all runs share: the servers' binaries, Redis, and a folder for temporary files.
type lab struct {
	src      string // folder of this module
	dir      string // temporary folder
	redis    string // URL
	redisPID int
	slab     float64 // lowest observed size of all kernel objects without clients, in bytes
	bun      string  // path of the Bun binary, empty if it is not needed
	procs    []*process
	machine  machine
}

// openLab builds the servers of the chosen systems and starts Redis. If programs is true, it also builds
// the program ignis.
func openLab(ctx context.Context, src string, chosen []system, programs bool) (l *lab, err error) {
	l = &lab{src: src, machine: thisMachine(redisVersion())}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	if l.dir, err = os.MkdirTemp("", "ignis-bench"); err != nil {
		return l, err
	}
	for _, s := range chosen {
		if s.isBun() {
			if l.bun, err = installBun(ctx, src); err != nil {
				return l, err
			}
			continue
		}
		if s.name == centrifugo {
			if err := installCentrifugo(ctx, l.dir, l.binary(s)); err != nil {
				return l, err
			}
			continue
		}
		name := s.name
		if s.isOurs() {
			name = ours
		}
		var flags []string
		if s.linksMetrics() {
			flags = []string{"-tags", "metrics"}
		}
		if err := build(ctx, l.sources(s), l.binary(s), "./servers/"+name, flags...); err != nil {
			return l, err
		}
		if programs && s.isOurs() {
			if err := build(ctx, filepath.Dir(l.sources(s)), l.program(s), "./cmd/ignis"); err != nil {
				return l, err
			}
		}
	}
	p, url, err := startRedis(ctx, herdCore, l.dir)
	if err != nil {
		return l, err
	}
	l.procs, l.redis, l.redisPID = append(l.procs, p), url, p.pid()
	return l, nil
}

// build builds a package of the module in dir.
func build(ctx context.Context, dir, binary, pkg string, flags ...string) error {
	args := append([]string{"build", "-trimpath", "-o", binary}, flags...)
	c := childproc.CommandContext(ctx, "go", append(args, pkg)...)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s in %s: %w\n%s", pkg, dir, err, out)
	}
	return nil
}

// sources returns the bench folder of the checkout that the system comes from.
func (l *lab) sources(s system) string { return cmp.Or(s.src, l.src) }

func (l *lab) binary(s system) string { return filepath.Join(l.dir, "server-"+s.name) }

// program returns the path of the system's program ignis.
func (l *lab) program(s system) string { return filepath.Join(l.dir, "program-"+s.name) }

func (l *lab) close() {
	for _, p := range l.procs {
		p.kill()
	}
	if l.dir != "" {
		_ = os.RemoveAll(l.dir)
	}
}

// server is a running server of a system.
type server struct {
	*process
	system
	addr  string  // host:port
	empty float64 // resident size without clients, in bytes
}

// serve starts a server on the given cores, with GOMAXPROCS set to their number.
func (l *lab) serve(ctx context.Context, s system, cores string, flags ...string) (*server, error) {
	env := []string{fmt.Sprintf("GOMAXPROCS=%d", strings.Count(cores, ",")+1)}
	argv := []string{l.binary(s)}
	if s.isBun() {
		env = []string{"NODE_ENV=production"}
		if s.name == quietBun {
			env = append(env, "BENCH_SILENT=1")
		}
		argv = []string{l.bun, filepath.Join(l.src, "servers", "bun", "server.ts")}
	}
	argv = append(argv, "-listen", "127.0.0.1:0", "-redis", l.redis)
	if s.name == metered {
		argv = append(argv, "-metrics")
	}
	argv = append(argv, flags...)
	p, err := start(s.name, cores, l.dir, env, argv...)
	if err != nil {
		return nil, err
	}
	addr, err := p.await(ctx, "listening on http://")
	if err != nil {
		p.kill()
		return nil, err
	}
	return ready(ctx, s, p, addr)
}

// ready waits until a server that accepts connections has finished starting. If that fails, it
// kills the process.
func ready(ctx context.Context, s system, p *process, addr string) (*server, error) {
	err := waitQuiet(ctx, p.pid())
	srv := &server{process: p, system: s, addr: addr}
	if err == nil {
		srv.empty, err = herd.ResidentSize(p.pid())
	}
	if err != nil {
		p.kill()
		return nil, err
	}
	return srv, nil
}

// installBun installs the reference with npm if necessary, and returns the path of a working Bun binary.
// The package bun installs the binary with an install script. If npm is configured not to run scripts, only
// the package for the platform contains the binary.
func installBun(ctx context.Context, src string) (string, error) {
	if path := findBun(src); path != "" {
		return path, nil
	}
	fmt.Fprintln(os.Stderr, "installing Ignis on Bun with npm")
	npm := childproc.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund")
	npm.Dir = src
	if out, err := npm.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	if path := findBun(src); path != "" {
		return path, nil
	}
	return "", errors.New("npm ci installed no working Bun binary in node_modules")
}

func findBun(src string) string {
	for _, pattern := range []string{"node_modules/bun/bin/bun.exe", "node_modules/@oven/*/bin/bun"} {
		paths, _ := filepath.Glob(filepath.Join(src, pattern)) // the patterns are well-formed
		for _, path := range paths {
			if childproc.Command(path, "--version").Run() == nil {
				return path
			}
		}
	}
	return ""
}

// version returns the version of a system's server.
func (l *lab) version(s system) (string, error) {
	if s.isBun() {
		return l.bunVersion()
	}
	info, err := buildinfo.ReadFile(l.binary(s))
	if err != nil {
		return "", err
	}
	if s.module == "" {
		return "commit " + commit(l.sources(s)) + ", " + info.GoVersion, nil
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == s.module {
			return m.Version + ", " + info.GoVersion, nil
		}
	}
	return "", fmt.Errorf("the binary of the server %s does not contain the module %s", s.name, s.module)
}

func (l *lab) bunVersion() (string, error) {
	text, err := os.ReadFile(filepath.Join(l.src, "node_modules", "@venizia", "ignis-helpers", "package.json"))
	if err != nil {
		return "", err
	}
	var pkg struct{ Name, Version string }
	if err := json.Unmarshal(text, &pkg); err != nil {
		return "", err
	}
	out, err := childproc.Command(l.bun, "--version").Output()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %s, Bun %s", pkg.Name, pkg.Version, strings.TrimSpace(string(out))), nil
}

// commit describes the state of the repository that contains dir, a bench folder. It ignores changes to
// that folder, because it contains the results.
func commit(dir string) string {
	git := func(args ...string) string {
		cmd := childproc.Command("git", args...)
		cmd.Dir = filepath.Dir(dir)
		out, err := cmd.Output()
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(out))
	}
	id := git("rev-parse", "--short", "HEAD")
	switch {
	case id == "":
		return "unknown"
	case git("status", "--porcelain", "--", ".", ":(exclude)bench") != "":
		return id + " with changes"
	}
	return id
}
