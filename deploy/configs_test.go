package deploy_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/longtest"
)

// The configurations are valid with the secrets that are mounted beside them.
func TestConfigurations(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "jwt"), strings.Repeat("s", 32), 0o600)
	write(t, filepath.Join(dir, "redis"), "redis://127.0.0.1:6379", 0o600)
	for name, env := range map[string]string{
		"docker/ignis.yaml":     "IGNIS_JWT_SECRET_FILE=" + filepath.Join(dir, "jwt"),
		"systemd/ignis.yaml":    "IGNIS_JWT_SECRET_FILE=" + filepath.Join(dir, "jwt"),
		"kubernetes/ignis.yaml": "",
	} {
		path := filepath.Join(dir, strings.ReplaceAll(name, "/", "-"))
		write(t, path, strings.ReplaceAll(read(t, name), "/run/secrets/ignis/", dir+"/"), 0o644)
		cmd := childproc.Command(program(t), "config", "check", "--config", path)
		cmd.Env = []string{env}
		if text, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(text), "level=") {
			t.Errorf("%s: %v, %s", name, err, text)
		}
	}
}
