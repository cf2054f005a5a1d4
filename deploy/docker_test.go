package deploy_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/testprog"
)

// The maximum sizes of the image in bytes: as a registry stores and transfers it, and as files.
const (
	maxCompressed = 9_000_000
	maxFiles      = 22_000_000
)

// instruction is an instruction of a Dockerfile.
type instruction struct{ name, args string }

// words returns the arguments, which are a JSON array or separated by spaces.
func (i instruction) words() (words []string) {
	if json.Unmarshal([]byte(i.args), &words) == nil {
		return words
	}
	return strings.Fields(i.args)
}

// stages returns the instructions of each stage of the Dockerfile, whose instructions have one
// line each.
func stages(t *testing.T) (stages [][]instruction) {
	t.Helper()
	for line := range strings.Lines(read(t, "docker/Dockerfile")) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, args, _ := strings.Cut(line, " ")
		if name == "FROM" {
			stages = append(stages, nil)
		}
		last := len(stages) - 1
		stages[last] = append(stages[last], instruction{name, args})
	}
	return stages
}

// image is the final stage of the Dockerfile, as files in a folder.
type image struct {
	root, user       string
	env              []string
	entrypoint, args []string
	health           []string
}

// assemble does what the final stage says. An instruction that it does not know fails the test.
func assemble(t *testing.T) *image {
	t.Helper()
	all := stages(t)
	i := &image{root: t.TempDir()}
	for _, in := range all[len(all)-1] {
		words := in.words()
		switch in.name {
		case "FROM":
			if in.args != "scratch" {
				t.Fatalf("the test starts with an empty folder, the image with %s", in.args)
			}
		case "COPY":
			i.copy(t, words)
		case "ENV":
			i.env = append(i.env, words...)
		case "USER":
			i.user = in.args
		case "ENTRYPOINT":
			i.entrypoint = words
		case "CMD":
			i.args = words
		case "HEALTHCHECK":
			_, command, _ := strings.Cut(in.args, "CMD ")
			i.health = instruction{args: command}.words()
		case "EXPOSE", "STOPSIGNAL": // have no effect here
		default:
			t.Fatalf("the test does not know %s", in.name)
		}
	}
	return i
}

// copy does what COPY says.
func (i *image) copy(t *testing.T, words []string) {
	t.Helper()
	from, to := words[len(words)-2], filepath.Join(i.root, words[len(words)-1])
	switch {
	case words[0] != "--from=build":
		from = filepath.Join("..", from)
	case from == "/out/ignis":
		from = program(t)
	}
	b, err := os.ReadFile(from)
	if os.IsNotExist(err) && strings.HasPrefix(from, "/etc/ssl/") {
		err = nil // this machine has no authorities, and the test connects to nothing
	}
	if err != nil {
		t.Fatal(err)
	}
	write(t, to, string(b), 0o755)
}

// The image is built like the program of this test, and from the Go version in go.mod.
func TestDockerfileBuild(t *testing.T) {
	t.Parallel()
	var build string
	all := stages(t)
	for _, in := range all[0] {
		if in.name == "RUN" && strings.Contains(in.args, "go build") {
			build = in.args
		}
	}
	for _, want := range []string{"CGO_ENABLED=0 ", " -trimpath ", ` -ldflags "-s -w `, " -o /out/ignis ./cmd/ignis"} {
		if !strings.Contains(build, want) {
			t.Errorf("%q does not contain %q, with which this test builds the program", build, want)
		}
	}
	if from := all[0][0].args; !strings.Contains(from, "golang:"+goVersion(t)+".") {
		t.Errorf("the stage is built from %s, but go.mod requires Go %s", from, goVersion(t))
	}
}

// goVersion returns the major and minor version in go.mod.
func goVersion(t *testing.T) string {
	t.Helper()
	_, rest, _ := strings.Cut(read(t, "../go.mod"), "\ngo ")
	version, _, _ := strings.Cut(rest, "\n")
	parts := strings.Split(version, ".")
	return strings.Join(parts[:2], ".")
}

// The files of the image are small, and a server starts from nothing else: with a read-only root, as
// a user who is not root, and with no capabilities. Its health check works.
func TestImage(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	i := assemble(t)
	files, compressed := i.sizes(t)
	t.Logf("the image has %.1f MB, or %.1f MB compressed", float64(files)/1e6, float64(compressed)/1e6)
	if files > maxFiles || compressed > maxCompressed {
		t.Errorf("at most %d and %d bytes are expected", maxFiles, maxCompressed)
	}
	const variable, purpose = "TEST_REQUIRE_NAMESPACES", "this test runs the image with it"
	if runtime.GOOS != "linux" {
		t.Skip("the image is for Linux")
	}
	for _, name := range []string{"unshare", "ip", "mount"} {
		testprog.Require(t, variable, name, purpose)
	}
	chroot := testprog.Require(t, variable, "chroot", purpose)
	if err := childproc.Command("unshare", "--net", "--mount", "true").Run(); err != nil {
		testprog.Missing(t, variable, "a user that may create namespaces", purpose)
	}
	cmd := childproc.Command("unshare", "--net", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child", "sh", "-ec", container)
	settings := append(slices.Clone(i.env), "IGNIS_JWT_SECRET="+strings.Repeat("s", 32))
	cmd.Env = append(os.Environ(),
		"ROOT="+i.root,
		"INSIDE=env -i "+strings.Join(settings, " ")+" "+chroot+" --userspec="+i.user+" "+i.root,
		"SERVER="+strings.Join(slices.Concat(i.entrypoint, i.args), " "),
		"HEALTH="+strings.Join(i.health, " "))
	output := run(t, cmd, "healthy\n").String()
	uid, gid, _ := strings.Cut(i.user, ":")
	for _, want := range []string{
		`"status":"ready"`, "Uid:\t" + uid + "\t" + uid, "Gid:\t" + gid + "\t" + gid, "CapEff:\t0000000000000000", "read-only",
	} {
		if uid == "0" || !strings.Contains(output, want) {
			t.Errorf("no %q:\n%s", want, output)
		}
	}
}

// sizes returns the size of the files, and that of a layer with them.
func (i *image) sizes(t *testing.T) (files, compressed int64) {
	t.Helper()
	var layer bytes.Buffer
	z := gzip.NewWriter(&layer)
	err := filepath.WalkDir(i.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n, err := z.Write([]byte(read(t, path)))
		files += int64(n)
		return err
	})
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return files, int64(layer.Len())
}

// container runs the server and its health check in a folder, like a container runtime.
const container = `
ip link set lo up
mount --bind "$ROOT" "$ROOT"
mount -o remount,bind,ro "$ROOT"
touch "$ROOT/file" 2>/dev/null || echo read-only
$INSIDE $SERVER &
until $INSIDE $HEALTH; do sleep 0.1; done
grep -E '^(Uid|Gid|CapEff):' /proc/$!/status
echo healthy
wait`

// The build needs none of the folders that .dockerignore excludes.
func TestDockerignore(t *testing.T) {
	t.Parallel()
	text, err := childproc.Command("go", "list", "-deps", "-f", "{{if .Module}}{{if .Module.Main}}{{.ImportPath}}{{end}}{{end}}", "../cmd/ignis").Output()
	if err != nil {
		t.Fatal(err)
	}
	excluded := strings.Split(read(t, "../.dockerignore"), "\n")
	for _, path := range strings.Fields(string(text)) {
		folder, _, _ := strings.Cut(strings.TrimPrefix(path, "github.com/ignis-go/ignis/"), "/")
		if slices.Contains(excluded, folder) {
			t.Errorf(".dockerignore excludes %s, which the program needs", path)
		}
	}
}
