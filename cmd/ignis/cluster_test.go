package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ignis-go/ignis/internal/redistest"
)

// listener is a running ignis listen --all in a room.
type listener struct {
	*process
	id   string // client ID
	room string
}

// listenTo starts a listener and returns when it is in its room.
func listenTo(t *testing.T, redis, address, user, room string) *listener {
	t.Helper()
	p := start(t, nil, "listen", "ws://"+address+"/ws", "--user", user, "--join", room, "--all")
	l := &listener{process: p, room: room}
	var connected struct {
		Event string
		Data  struct{ ID, UserID string }
	}
	if err := json.Unmarshal([]byte(p.line()), &connected); err != nil {
		t.Fatal(err)
	}
	if connected.Event != "connected" || connected.Data.UserID != user {
		t.Fatalf("the first event is %+v", connected)
	}
	l.id = connected.Data.ID
	// It joins after printing this event, so wait until an event in the room arrives.
	redistest.Wait(t, user+" to be in "+room, func() bool {
		emit(t, redis, "room", room, "probe")
		return strings.Contains(p.lines.text(), `"probe"`)
	})
	return l
}

// event returns the next line that is not a probe.
func (l *listener) event() string {
	l.t.Helper()
	for {
		if line := l.line(); !strings.Contains(line, `"event":"probe"`) {
			return line
		}
	}
}

// until returns the events before the given one, except probes.
func (l *listener) until(event string) (got []string) {
	l.t.Helper()
	for {
		line := l.event()
		if strings.Contains(line, `"event":"`+event+`"`) {
			return got
		}
		got = append(got, line)
	}
}

func TestEmitReachesTheRightClientsOfTwoServersOnce(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	_, first := serve(t, nil, "--dev", "--redis", r.URL())
	_, second := serve(t, nil, "--dev", "--redis", r.URL())
	listeners := map[string]*listener{
		"ann here":  listenTo(t, r.URL(), first, "ann", "lobby"),
		"ann there": listenTo(t, r.URL(), second, "ann", "games"),
		"ben there": listenTo(t, r.URL(), second, "ben", "lobby"),
	}
	here, there := listeners["ann here"].id, listeners["ben there"].id

	emit(t, r.URL(), "room", "lobby", "toRoom", `{"n":12345678901234567890123}`)
	emit(t, r.URL(), "room", "lobby", "toRoomLess", "1", "--exclude", here)
	emit(t, r.URL(), "user", "ann", "toUser", `"hi"`)
	emit(t, r.URL(), "client", there, "toClient", "null")
	emit(t, r.URL(), "broadcast", "toAll", "[1, 2]")
	emit(t, r.URL(), "broadcast", "toAllLess", "--exclude", here, "--exclude", there, "true")
	emit(t, r.URL(), "room", "nowhere", "toNobody", "1")
	emit(t, r.URL(), "broadcast", "end")

	want := map[string][]string{
		"ann here": {
			`{"event":"toRoom","data":{"n":12345678901234567890123},"room":"lobby"}`,
			`{"event":"toUser","data":"hi"}`,
			`{"event":"toAll","data":[1, 2]}`,
		},
		"ann there": {
			`{"event":"toUser","data":"hi"}`,
			`{"event":"toAll","data":[1, 2]}`,
			`{"event":"toAllLess","data":true}`,
		},
		"ben there": {
			`{"event":"toRoom","data":{"n":12345678901234567890123},"room":"lobby"}`,
			`{"event":"toRoomLess","data":1,"room":"lobby"}`,
			`{"event":"toClient","data":null}`,
			`{"event":"toAll","data":[1, 2]}`,
		},
	}
	got := map[string][]string{}
	for name, l := range listeners {
		got[name] = l.until("end")
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestRelayReachesTheRoomOnAnotherServer(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	_, first := serve(t, nil, "--dev", "--redis", r.URL())
	_, second := serve(t, nil, "--dev", "--redis", r.URL())
	far := listenTo(t, r.URL(), second, "ben", "lobby")
	near := dial(t, first, map[string]string{"userId": "ann"})
	if _, err := near.Join(withTimeout(t), "lobby"); err != nil {
		t.Fatal(err)
	}
	send(t, near, "chat", `{"room":"lobby","text":"hello"}`)
	from := `"from":{"id":"` + near.ID() + `","userId":"ann"}`
	want := `{"event":"chat","data":{"room":"lobby","text":"hello",` + from + `},"room":"lobby",` + from + `}`
	if got := far.event(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A server that has lost Redis is degraded, or unready if Redis is required.
func TestReadinessFollowsRedis(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args   []string
		code   int
		status string // without Redis
	}{
		"by default": {nil, http.StatusOK, "degraded"},
		"required":   {[]string{"--redis-required"}, http.StatusServiceUnavailable, "not ready"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testReadiness(t, test.args, test.code, test.status)
		})
	}
}

// testReadiness loses Redis and restores it. Without it, /readyz must answer with a code and a
// status.
func testReadiness(t *testing.T, args []string, code int, status string) {
	t.Helper()
	r := redistest.Start(t)
	p, address := serve(t, nil, append([]string{"--dev", "--redis", r.URL()}, args...)...)
	ready := func(wantCode int, wantStatus string) bool {
		code, _, body := get(t, "http://"+address+"/readyz")
		if isReady := strings.HasPrefix(body, `{"status":"ready"`); !json.Valid([]byte(body)) || isReady == strings.Contains(body, `"reason"`) {
			t.Fatalf("/readyz answers %d %s", code, body)
		}
		for _, path := range []string{"/healthz", "/startupz"} {
			if code, _, body := get(t, "http://"+address+path); code != http.StatusOK {
				t.Fatalf("%s answers %d %s", path, code, body)
			}
		}
		return code == wantCode && strings.Contains(body, `{"status":"`+wantStatus+`"`)
	}
	if !ready(http.StatusOK, "ready") {
		t.Fatal("the server is not ready at first")
	}
	c := dial(t, address, nil)

	r.Kill()
	redistest.Wait(t, "/readyz to notice", func() bool { return ready(code, status) })
	p.logged("redis connection lost")
	send(t, c, "echo", `{"room":"ws-default"}`) // local delivery still works
	if m := receive(t, c); m.Event != "echo" {
		t.Fatalf("received %+v", m)
	}

	r.Restart()
	redistest.Wait(t, "the server to be ready again", func() bool { return ready(http.StatusOK, "ready") })
	emit(t, r.URL(), "broadcast", "again", "1")
	if m := receive(t, c); m.Event != "again" {
		t.Fatalf("received %+v", m)
	}
}

func TestNoClientIsAcceptedBeforeRedisIsThere(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	r.Pause()
	p := start(t, nil, "serve", "--dev", "--listen", "127.0.0.1:0", "--redis", r.URL(), "--log-level", "info", "--log-format", "json")
	var line struct{ Address string }
	if err := json.Unmarshal([]byte(p.logged(`"msg":"listening"`)), &line); err != nil || line.Address == "" {
		t.Fatal(line, err)
	}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 503, "/startupz": 503, "/ws": 503} {
		if code, _, _ := get(t, "http://"+line.Address+path); code != want {
			t.Errorf("%s answers %d, want %d", path, code, want)
		}
	}
	p.logged("waiting for Redis")
	r.Resume()
	p.line() // listening
	if code, _, _ := get(t, "http://"+line.Address+"/readyz"); code != http.StatusOK {
		t.Errorf("/readyz answers %d with Redis", code)
	}
}

func TestRedisThatRefusesEndsTheServer(t *testing.T) {
	t.Parallel()
	r := redistest.StartWith(t, redistest.Config{Password: "right"})
	url := strings.Replace(r.URL(), ":right@", ":hunter2@", 1)
	if url == r.URL() {
		t.Fatalf("no password in %s", url)
	}
	p := start(t, nil, "serve", "--dev", "--listen", "127.0.0.1:0", "--redis", url)
	if code := p.wait(); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	p.logged("error: ")
	p.logged("hint: is Redis running")
	if strings.Contains(p.errors.text(), "hunter2") {
		t.Error("the password is in the log")
	}
}
