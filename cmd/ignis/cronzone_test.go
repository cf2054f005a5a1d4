package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ignis-go/ignis/internal/redistest"
)

// Package time uses UTC if TZ names an unknown zone. The commands report an error instead, unless they
// do not use the local time zone.
func TestWrongTZ(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const job = "jobs:\n  a:\n    pattern: 0 9 * * *\n    event: e\n    room: r\n"
	for name, text := range map[string]string{"none.yaml": job, "utc.yaml": "zone: UTC\n" + job, "own.yaml": job + "    zone: UTC\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct {
		tz   string
		args []string
		code int
	}{
		{"Mars/Olympus", []string{"next", "@daily"}, exitUsage},
		{":Mars", []string{"next", "@daily"}, exitUsage},
		{"Mars", []string{"next", "@daily", "--tz", "UTC"}, 0},
		{"Mars", []string{"check", filepath.Join(dir, "none.yaml")}, exitUsage},
		{"Mars", []string{"run", filepath.Join(dir, "none.yaml")}, exitUsage},
		{"Mars", []string{"check", filepath.Join(dir, "none.yaml"), "--tz", "UTC"}, 0},
		{"Mars", []string{"check", filepath.Join(dir, "utc.yaml")}, 0},
		{"Mars", []string{"check", filepath.Join(dir, "own.yaml")}, 0},
		{"UTC", []string{"next", "@daily"}, 0},
		{"", []string{"next", "@daily"}, 0},
	} {
		p := start(t, []string{"TZ=" + row.tz}, append([]string{"cron"}, row.args...)...)
		if code := p.wait(); code != row.code {
			t.Errorf("TZ=%s, %q: exit code %d", row.tz, row.args, code)
		}
		if row.code != 0 && !strings.Contains(p.errors.text(), `the environment variable TZ is "`+row.tz+`"`) {
			t.Errorf("TZ=%s, %q: %s", row.tz, row.args, p.errors.text())
		}
	}
}

// fixedZone returns the zone file of a zone with a fixed offset from UTC.
func fixedZone(hours int32) []byte {
	b := append([]byte("TZif"), make([]byte, 16)...)
	for _, n := range []uint32{0, 0, 0, 0, 1, 4} { // one local time type, four bytes of abbreviations
		b = binary.BigEndian.AppendUint32(b, n)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(hours*3600))
	return append(b, 0, 0, 'T', 'S', 'T', 0)
}

// On SIGHUP jobs use the rules of replaced zone files.
func TestCronRunTakesNewZoneFiles(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	dir := t.TempDir()
	write := func(name string, text []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("Here", fixedZone(3))
	write("jobs.yaml", []byte("jobs:\n  here: &job\n    zone: Here\n    pattern: 0 9 1 1 *\n    room: r\n    event: e\n  utc:\n    <<: *job\n    zone: UTC\n"))
	p := start(t, []string{"IGNIS_REDIS=" + redis.URL(), "ZONEINFO=" + dir}, "cron", "run", filepath.Join(dir, "jobs.yaml"))
	if line := p.logged("job=here next="); !strings.Contains(line, "T09:00:00.000+03:00") {
		t.Errorf("logged %s", line)
	}
	p.line()
	write("Here", fixedZone(4))
	p.signal(syscall.SIGHUP)
	if line := p.logged("added=0 changed="); !strings.Contains(line, "jobs=2 added=0 changed=1 removed=0") {
		t.Errorf("logged %s", line)
	}
	if !strings.Contains(p.errors.text(), "T09:00:00.000+04:00") {
		t.Error("the job still follows the old rules")
	}
	p.signal(syscall.SIGTERM)
	p.wait()
}
