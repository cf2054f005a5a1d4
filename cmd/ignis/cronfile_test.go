package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/redistest"
)

func TestCronFileProblems(t *testing.T) {
	t.Parallel()
	const job = "\n  a:\n    pattern: 0 9 * * *\n    event: e\n    room: r\n"
	for name, row := range map[string]struct {
		text string
		want []string // parts of the problems, in order
	}{
		"good":                   {"jobs:" + job, nil},
		"JSON":                   {`{"jobs":{"a":{"pattern":"@daily","event":"e","everyone":true,"data":[1]}}}`, nil},
		"all fields":             {"zone: UTC\njobs:" + job + "    zone: Europe/Paris\n    misfire: all\n    deadline: 2h\n    jitter: 10s\n    timeout: 1m\n    exclude: [x]\n    data: {a: 1}\n", nil},
		"one job like another":   {"jobs:\n  a: &a\n    pattern: 0 9 * * *\n    event: e\n    room: r\n  b:\n    <<: *a\n    event: f\n", nil},
		"a job that is an alias": {"jobs:\n  a: &a\n    pattern: 0 9 * * *\n    event: e\n    room: r\n  b: *a\n", nil},
		"anchors in x- fields":   {"x-job: &job\n  pattern: 0 9 * * *\n  event: e\nx-all: [1]\njobs:\n  a:\n    <<: *job\n    room: r\n  b:\n    <<: [*job]\n    everyone: true\n", nil},
		"a bad anchor":           {"x-job: &job\n  pattern: 0 99 * * *\n  event: e\njobs:\n  a:\n    <<: *job\n    room: r\n", []string{`line 2: job "a": "0 99 * * *": hour`}},
		"zone twice":             {"zone: UTC\nzone: UTC\njobs:" + job, []string{"line 2: zone is already defined in line 1"}},
		"a tab":                  {"jobs:\n\ta:\n", []string{"line 2", "indented with spaces"}},
		"a tab later":            {"jobs:\n  a:\n    event: e\n\troom: r\n", []string{"line 3", "not with tabs"}},
		"a tab and a macro":      {"jobs:\n  a:\n    event: \te\n    pattern: @daily\n", []string{"line 4", "needs quotes"}},
		"all mistakes of a job": {
			"jobs:\n  a b:\n    pattern: 0 25 * * *\n    evnt: e\n    zone: Mars\n    deadline: soon\n    jitter: 1\n    exclude: x\n    misfire: never\n    data: [010, 0x1F]\n",
			[]string{
				`line 4: job "a b": unknown field "evnt"`, "line 6", "expected a positive duration", "line 7", "expected a positive duration", "line 8", "cannot unmarshal",
				"line 3", "hour, column 3", "line 5", "zone: unknown time zone", "line 9", "misfire: expected", `Name "a b" is invalid`,
				"line 10", "010 is not a number in JSON", "line 10", "0x1F is not", "no event", "one of room",
			},
		},
		"two lists for strings":      {"jobs:\n  a:\n    pattern: [1]\n    event: [e]\n    room: r\n", []string{"line 3", "line 4"}},
		"nothing":                    {"", []string{`expected named jobs`}},
		"no jobs":                    {"jobs: {}", []string{`expected named jobs`}},
		"a list":                     {"jobs: [a]", []string{`expected named jobs`}},
		"not YAML":                   {"jobs: [", []string{"line 1"}},
		"two documents":              {"jobs:" + job + "---\na: 1\n", []string{"one YAML document"}},
		"an unknown field":           {"job:\n  a: 1\n", []string{`line 1: unknown field "job"; expected zone, jobs`}},
		"an unknown field of a job":  {"jobs:" + job + "    evnt: x\n", []string{`line 6: job "a": unknown field "evnt"; expected one of pattern, zone`}},
		"a pattern without quotes":   {"jobs:\n  a:\n    pattern: * * * * *\n", []string{"needs quotes"}},
		"a macro without quotes":     {"jobs:\n  a:\n    pattern: @daily\n", []string{"needs quotes"}},
		"a bad pattern":              {"jobs:\n  a:\n    event: e\n    room: r\n    pattern: 0 25 * * *\n", []string{`line 5: job "a": "0 25 * * *": hour, column 3: 25 is out of range`}},
		"no pattern":                 {"jobs:\n  a:\n    event: e\n    room: r\n", []string{`line 3: job "a": empty pattern`}},
		"a bad zone":                 {"jobs:" + job + "    zone: Mars/Olympus\n", []string{`line 6: job "a": zone: unknown time zone`}},
		"a bad zone of all":          {"zone: Mars\njobs:" + job, []string{`line 1: zone: unknown time zone "Mars"`}},
		"a bad name":                 {"jobs:\n  a b:\n    pattern: 0 9 * * *\n    event: e\n    room: r\n", []string{`job "a b": Name "a b" is invalid`}},
		"a name twice":               {"jobs:" + job + job[1:], []string{`line 6: job "a" is already defined in line 2`}},
		"no target":                  {"jobs:\n  a:\n    pattern: 0 9 * * *\n    event: e\n", []string{"one of room, user, client and everyone"}},
		"two targets":                {"jobs:" + job + "    user: u\n", []string{"one of room, user, client and everyone"}},
		"no event":                   {"jobs:\n  a:\n    pattern: 0 9 * * *\n    room: r\n", []string{"no event"}},
		"the server's event":         {"jobs:\n  a:\n    pattern: 0 9 * * *\n    room: r\n    event: connected\n", []string{`line 5: job "a"`}},
		"an exclusion for a user":    {"jobs:\n  a:\n    pattern: 0 9 * * *\n    user: r\n    event: e\n    exclude: [x]\n", []string{"cannot exclude clients"}},
		"a bad policy":               {"jobs:" + job + "    misfire: never\n", []string{"misfire: expected once, all or skip"}},
		"a bad duration":             {"jobs:" + job + "    deadline: soon\n", []string{"line 6", "expected a positive duration"}},
		"a list for a string":        {"jobs:\n  a:\n    pattern: [1]\n    event: e\n    room: r\n", []string{`line 3: job "a": cannot unmarshal`}},
		"data that is not JSON":      {"jobs:" + job + "    data: {1: x}\n", []string{`line 6: job "a": data: the key "1" is not a string`}},
		"data that is not a boolean": {"jobs:" + job + "    data: [true, !!bool maybe]\n", []string{"line 6: job \"a\": data: cannot decode !!str `maybe` as a !!bool"}},
		"data that is not finite":    {"jobs:" + job + "    data: .nan\n", []string{`line 6: job "a": data: .nan is not a number in JSON`}},
		"two problems":               {"jobs:\n  a:\n    pattern: bad\n  b:\n    pattern: 0 9 * * *\n    room: r\n", []string{`job "a"`, `one of room`, `job "b": `}},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := parseCronFile([]byte(row.text), "")
			text := strings.Join(problems, "\n")
			if (len(row.want) == 0) != (text == "") {
				t.Fatalf("problems:\n%s", text)
			}
			rest := text
			for _, w := range row.want {
				_, after, ok := strings.Cut(rest, w)
				if !ok {
					t.Fatalf("no %q in:\n%s", w, text)
				}
				rest = after
			}
		})
	}
}

func TestCronFileData(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{b: 1, a: [x, 2.5, null, true]}": `{"a":["x",2.5,null,true],"b":1}`,
		"2026-01-02":                      `"2026-01-02"`,
		"[2026-01-02T03:04:05Z]":          `["2026-01-02T03:04:05Z"]`,
		"[True, false]":                   `[true,false]`,
		`"text"`:                          `"text"`,
		"null":                            `null`,
		"|\n      two\n      lines\n":     `"two\nlines\n"`,
	} {
		jobs, problems := parseCronFile([]byte("jobs:\n  a:\n    pattern: 0 9 * * *\n    event: e\n    room: r\n    data: "+text), "")
		if len(problems) > 0 {
			t.Errorf("%s: %q", text, problems)
			continue
		}
		if got := fmt.Sprintf("%s", jobs[0].message.Data); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// Numbers are sent as they are written, or the file is rejected.
func TestCronFileNumbers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0": "0", "-1": "-1", "1.50": "1.50", "1e3": "1e3", "-0": "-0",
		"123456789012345678901234":           "123456789012345678901234",
		"0.1234567890123456789":              "0.1234567890123456789",
		`"01234"`:                            `"01234"`,
		"{<<: {a: 1, b: 2}, b: 3}":           `{"a":1,"b":3}`,
		"[&x {a: 12345678901234567890}, *x]": `[{"a":12345678901234567890},{"a":12345678901234567890}]`,
		"1e400":                              `"1e400"`,
		"1.2.3":                              `"1.2.3"`,
		"12:30:45":                           `"12:30:45"`,
		"!!str 0123":                         `"0123"`,
		"True":                               "true",
		"~":                                  "null",
		"01234":                              "", "08": "", "0o17": "", "0x1F": "", "0b11": "", "1_000": "", "+1": "", ".5": "", "5.": "", ".inf": "", "-.inf": "", ".nan": "",
		"[1, {a: 01}]": "",
	} {
		jobs, problems := parseCronFile([]byte("jobs:\n  a:\n    pattern: 0 9 * * *\n    event: e\n    room: r\n    data: "+text), "")
		if want == "" {
			if len(problems) != 1 || !strings.HasPrefix(problems[0], `line 6: job "a": data: `) || !strings.Contains(problems[0], "is not a number in JSON; put it in quotes") {
				t.Errorf("%s: %q", text, problems)
			}
			continue
		}
		if len(problems) > 0 {
			t.Errorf("%s: %q", text, problems)
			continue
		}
		if got := fmt.Sprintf("%s", jobs[0].message.Data); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func FuzzCronFile(f *testing.F) {
	f.Add("zone: UTC\njobs:\n  a:\n    pattern: 0 9 * * *\n    event: e\n    room: r\n    data: {a: [1, x]}\n")
	f.Add("jobs: {a: &x {pattern: '@daily', everyone: true}, b: *x}")
	f.Fuzz(func(t *testing.T, text string) {
		jobs, problems := parseCronFile([]byte(text), "UTC")
		if len(problems) > 0 {
			return
		}
		for _, j := range jobs {
			if data, ok := j.message.Data.(json.RawMessage); ok && !json.Valid(data) {
				t.Errorf("job %q has data that is not JSON: %s", j.config.Name, data)
			}
		}
		for _, j := range jobs {
			if err := j.message.Check(); err != nil {
				t.Errorf("job %q cannot be sent: %v", j.config.Name, err)
			}
		}
	})
}

func TestCronCheck(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "jobs.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("zone: Europe/Paris\njobs:\n  opening:\n    pattern: 0 9 1 1 *\n    room: lobby\n    event: notice\n")
	p := start(t, nil, "cron", "check", file)
	if code := p.wait(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	for _, part := range []string{"JOB", "opening", "-01-01 09:00:00 CET", "notice", "room lobby", "At 09:00"} {
		if !strings.Contains(p.lines.text(), part) {
			t.Errorf("no %q in:\n%s", part, p.lines.text())
		}
	}
	write("jobs:\n  a:\n    pattern: bad\n  b:\n    pattern: 0 9 * * *\n    room: r\n")
	for _, command := range []string{"check", "run"} {
		p = start(t, nil, "cron", command, file)
		if code := p.wait(); code != exitUsage {
			t.Errorf("%s of a bad file: exit code %d", command, code)
		}
		for _, part := range []string{file + `: line 3: job "a": `, file + `: line 5: job "b": `, "error: " + file + ": 4 problems", "hint: "} {
			if !strings.Contains(p.errors.text(), part) {
				t.Errorf("%s: no %q in:\n%s", command, part, p.errors.text())
			}
		}
	}
	if p = start(t, nil, "cron", "check", file+"x"); p.wait() != exitUsage || !strings.Contains(p.errors.text(), "no such file") {
		t.Errorf("no file: %s", p.errors.text())
	}
	if p = start(t, nil, "cron", "check", file, "--tz", "Mars"); p.wait() != exitUsage || !strings.Contains(p.errors.text(), "--tz") {
		t.Errorf("no zone: %s", p.errors.text())
	}
}

// Two processes run the same file, and a client receives each event once. The file changes in the
// meantime.
func TestCronRun(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	_, address := serve(t, nil, "--dev", "--redis", redis.URL())
	c := dial(t, address, nil)
	if _, err := c.Join(withTimeout(t), "lobby"); err != nil {
		t.Fatal(err)
	}
	send(t, c, "ready", `{"room":"lobby"}`)
	receive(t, c)
	file := filepath.Join(t.TempDir(), "jobs.yaml")
	write := func(event, more string) {
		text := "jobs:\n  tick:\n    pattern: '* * * * * *'\n    room: lobby\n    event: " + event + "\n    data: {at: noon}\n" + more
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("tick", "")
	var all []*process
	for range 2 {
		p := start(t, []string{"IGNIS_REDIS=" + redis.URL()}, "cron", "run", file)
		if line := p.line(); line != "running 1 job of "+file {
			t.Fatalf("the first line is %q", line)
		}
		all = append(all, p)
	}
	events := func(name string, n int) {
		t.Helper()
		for got := 0; got < n; {
			switch m := receive(t, c); m.Event {
			case name:
				got++
				if string(m.Data) != `{"at":"noon"}` {
					t.Errorf("data %s", m.Data)
				}
			case "tick": // one that was in flight
			default:
				t.Fatalf("event %s, want %s", m.Event, name)
			}
		}
	}
	events("tick", 3)

	write("tock", "  broken:\n    pattern: '* * *'\n")
	for _, p := range all {
		p.signal(syscall.SIGHUP)
		p.logged("could not reload the file")
	}
	events("tick", 2)

	write("tock", "  new:\n    pattern: '@yearly'\n    everyone: true\n    event: year\n")
	for _, p := range all {
		p.signal(syscall.SIGHUP)
		if line := p.logged("jobs loaded"); !strings.Contains(line, "jobs=2 added=1 changed=1 removed=0") {
			t.Errorf("logged %s", line)
		}
	}
	events("tock", 3)
	for _, p := range all {
		p.signal(syscall.SIGTERM)
		if code := p.wait(); code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
	// Each second is run once, in either process.
	seen := make(map[string]bool)
	for _, p := range all {
		for line := range strings.Lines(p.errors.text()) {
			if !strings.Contains(line, "msg=emitted") {
				continue
			}
			_, at, _ := strings.Cut(line, "scheduled=")
			at, _, _ = strings.Cut(at, " ")
			if seen[at] {
				t.Errorf("%s was emitted twice", at)
			}
			seen[at] = true
		}
	}
	if len(seen) < 8 {
		t.Errorf("%d events", len(seen))
	}
}

func TestCronRunWithoutRedis(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "jobs.yaml")
	if err := os.WriteFile(file, []byte("jobs: {a: {pattern: '@daily', everyone: true, event: e}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if p := start(t, nil, "cron", "run", file, "--redis", "http://x"); p.wait() != exitUsage {
		t.Errorf("a bad URL: %s", p.errors.text())
	}
	p := start(t, nil, "cron", "run", file, "--redis", fmt.Sprintf("redis://127.0.0.1:%d", redistest.FreePort(t)))
	p.logged("waiting for Redis")
	began := time.Now()
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d after %v", code, time.Since(began))
	}
}
