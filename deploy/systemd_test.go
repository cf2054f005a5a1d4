package deploy_test

import (
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/testprog"
)

// maxExposure is the exposure level of systemd-analyze security, times ten.
const maxExposure = "20"

// units copies the units into a folder. They start a program that exists on this machine.
func units(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	write(t, filepath.Join(dir, "ignis.service"), strings.ReplaceAll(read(t, "systemd/ignis.service"), "/usr/bin/ignis", "/bin/true"), 0o644)
	write(t, filepath.Join(dir, "ignis.socket"), read(t, "systemd/ignis.socket"), 0o644)
	return dir
}

// systemd understands the units without a warning, and rates the service as well protected.
func TestUnits(t *testing.T) {
	t.Parallel()
	analyze := testprog.Require(t, "TEST_REQUIRE_SYSTEMD", "systemd-analyze", "this test checks the units with it")
	dir := units(t)
	service, socket := filepath.Join(dir, "ignis.service"), filepath.Join(dir, "ignis.socket")
	for _, args := range [][]string{
		{"verify", service, socket},
		{"security", "--offline=true", "--threshold=" + maxExposure, service},
	} {
		text, err := childproc.Command(analyze, args...).CombinedOutput()
		if err != nil || args[0] == "verify" && len(text) > 0 {
			t.Errorf("systemd-analyze %s: %v\n%s", args, err, text)
		}
	}
}

// value returns the value of a key that occurs once in a unit.
func value(t *testing.T, unit, key string) string {
	t.Helper()
	_, rest, ok := strings.Cut("\n"+unit, "\n"+key+"=")
	if v, more, _ := strings.Cut(rest, "\n"); ok && !strings.Contains("\n"+more, "\n"+key+"=") {
		return v
	}
	t.Fatalf("%s does not occur once", key)
	return ""
}

// The command of the unit starts a server with the configuration that comes with it, and the
// server tells systemd when it is ready.
func TestUnitStartsServer(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	unit, dir := read(t, "systemd/ignis.service"), t.TempDir()
	write(t, filepath.Join(dir, "jwt"), strings.Repeat("s", 32), 0o600)
	config := filepath.Join(dir, "ignis.yaml")
	write(t, config, strings.NewReplacer("0.0.0.0:8080", "127.0.0.1:0", "127.0.0.1:9464", "127.0.0.1:0").Replace(read(t, "systemd/ignis.yaml")), 0o644)
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: filepath.Join(dir, "n")})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()

	args := strings.Fields(strings.NewReplacer("/usr/bin/ignis", program(t), "/etc/ignis/ignis.yaml", config).Replace(value(t, unit, "ExecStart")))
	cmd := childproc.Command(args[0], args[1:]...)
	cmd.Env = []string{
		strings.ReplaceAll(value(t, unit, "Environment"), "%d", dir),
		"NOTIFY_SOCKET=" + filepath.Join(dir, "n"), "WATCHDOG_USEC=" + value(t, unit, "WatchdogSec") + "000000",
	}
	run(t, cmd, "listening on ")
	if err := notify.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	for buffer := make([]byte, 4096); ; {
		n, err := notify.Read(buffer)
		if err != nil {
			t.Fatalf("the server did not report that it is ready: %v", err)
		}
		if string(buffer[:n]) == "READY=1" {
			break
		}
	}
}

// systemd waits longer for the end than a drain takes.
func TestUnitWaitsForDrain(t *testing.T) {
	t.Parallel()
	stop, err := strconv.Atoi(value(t, read(t, "systemd/ignis.service"), "TimeoutStopSec"))
	if err != nil {
		t.Fatal(err)
	}
	checkStop(t, time.Duration(stop)*time.Second, delayOf(t, read(t, "systemd/ignis.yaml"), "drain_delay: "))
}

// delayOf returns the duration after prefix.
func delayOf(t *testing.T, text, prefix string) time.Duration {
	t.Helper()
	_, rest, _ := strings.Cut(text, prefix)
	d, err := time.ParseDuration(rest[:strings.IndexAny(rest+"\n", " \n\"],")])
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// checkStop checks that stop is long enough for a drain with this delay, and the defaults of the
// window (auto, at most 30 s) and of --shutdown-timeout (10 s).
func checkStop(t *testing.T, stop, delay time.Duration) {
	t.Helper()
	if need := delay + 45*time.Second; stop < need {
		t.Errorf("the server is killed after %v, but a drain may take %v", stop, need)
	}
}

// ignis.sysusers creates the user of the service.
func TestSysusers(t *testing.T) {
	t.Parallel()
	user := value(t, read(t, "systemd/ignis.service"), "User")
	if !strings.Contains(read(t, "systemd/ignis.sysusers"), "\nu "+user+" ") {
		t.Errorf("ignis.sysusers does not create the user %s", user)
	}
}
