// Package composetest_test checks deploy/compose.yaml with the parser of Docker Compose. It is a
// module of its own, so that the main module does not depend on it.
package composetest_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// load does what docker compose config does.
func load(t *testing.T, env map[string]string) (*types.Project, error) {
	t.Helper()
	dir, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: dir, Environment: env,
		ConfigFiles: types.ToConfigFiles([]string{filepath.Join(dir, "compose.yaml")}),
	})
}

func mustLoad(t *testing.T) *types.Project {
	t.Helper()
	p, err := load(t, map[string]string{"IGNIS_JWT_SECRET": strings.Repeat("s", 32)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Without a secret, nothing starts.
func TestSecretIsRequired(t *testing.T) {
	if _, err := load(t, nil); err == nil || !strings.Contains(err.Error(), "IGNIS_JWT_SECRET") {
		t.Errorf("got %v", err)
	}
}

// Files that are mounted exist, ports are open only to this machine, and images have a version.
func TestServices(t *testing.T) {
	p := mustLoad(t)
	if names := p.ServiceNames(); !slices.Equal(names, []string{"grafana", "ignis", "prometheus", "redis"}) {
		t.Errorf("got %v", names)
	}
	for name, s := range p.Services {
		for _, v := range s.Volumes {
			info, err := os.Stat(v.Source)
			if v.Type == types.VolumeTypeBind && (err != nil || info.IsDir() || !v.ReadOnly) {
				t.Errorf("%s: %s: %v, read-only %v", name, v.Source, err, v.ReadOnly)
			}
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s: everyone can connect to port %s", name, port.Published)
			}
		}
		if _, tag, _ := strings.Cut(s.Image, ":"); tag == "" && s.Build == nil || tag == "latest" {
			t.Errorf("%s: the image %s has no version", name, s.Image)
		}
	}
}

// The server is built from the Dockerfile, has time to drain, and no rights.
func TestServer(t *testing.T) {
	s := mustLoad(t).Services["ignis"]
	if _, err := os.Stat(filepath.Join(s.Build.Context, s.Build.Dockerfile)); err != nil {
		t.Error(err)
	}
	if grace := time.Duration(*s.StopGracePeriod); grace < 45*time.Second {
		t.Errorf("the server is killed after %v", grace)
	}
	if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || s.Ulimits["nofile"].Single < 65536 {
		t.Errorf("read-only %v, without %v, %v files", s.ReadOnly, s.CapDrop, s.Ulimits["nofile"])
	}
	for name, d := range s.DependsOn {
		if d.Condition == types.ServiceConditionHealthy && mustLoad(t).Services[name].HealthCheck == nil {
			t.Errorf("%s has no health check", name)
		}
	}
}
