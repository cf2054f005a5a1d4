package main

import (
	"context"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/redisbus"
)

// workerEnv makes the test binary a worker, so that tests can kill one.
const workerEnv = "NOTIFY_TEST_WORKER"

func TestMain(m *testing.M) {
	if redis := os.Getenv(workerEnv); redis != "" {
		step, _ := time.ParseDuration(os.Getenv("NOTIFY_TEST_STEP"))
		if err := testConfig(redis, step).runWorker(context.Background()); err != nil {
			panic(err)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func testConfig(redis string, step time.Duration) config {
	return config{redis: redis, retry: 400 * time.Millisecond, step: step}
}

// app is a running web application.
type app struct {
	url   string
	inbox *Inbox
}

func newApp(t *testing.T, redis string) app {
	t.Helper()
	queue, inbox, err := testConfig(redis, 0).queue()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(queue.Redis.Close)
	bus, err := redisbus.New(redisbus.Config{URL: redis})
	if err != nil {
		t.Fatal(err)
	}
	w, err := NewWeb(queue, inbox, bus)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- w.serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	<-w.server.Ready()
	return app{"http://" + l.Addr().String(), inbox}
}

// startWorker starts a worker in another process, and returns the function that kills it.
func startWorker(t *testing.T, redis string, step time.Duration) (kill func()) {
	t.Helper()
	name, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	cmd := childproc.Command(name)
	cmd.Env = append(os.Environ(), workerEnv+"="+redis, "NOTIFY_TEST_STEP="+step.String())
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Cleanup(kill)
	return kill
}

// session is the page of a user.
type session struct {
	t    *testing.T
	url  string
	http *http.Client
	conn *client.Conn
}

func (a app) login(t *testing.T, user string) *session {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{t: t, url: a.url, http: &http.Client{Jar: jar}}
	t.Cleanup(s.http.CloseIdleConnections)
	s.post("/login", "user", user, http.StatusOK)
	s.conn, err = client.Dial(t.Context(), "ws"+a.url[len("http"):]+"/ws", client.Config{HTTPHeader: http.Header{"Cookie": {s.cookie()}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.conn.Close() })
	return s
}

func (s *session) cookie() string {
	u, _ := url.Parse(s.url)
	return s.http.Jar.Cookies(u)[0].String()
}

func (s *session) post(path, field, value string, want int) {
	s.t.Helper()
	res, err := s.http.PostForm(s.url+path, url.Values{field: {value}})
	if err != nil {
		s.t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != want {
		s.t.Fatalf("POST %s: %s, want %d", path, res.Status, want)
	}
}

// states receives until the notice, and returns the states of the job before it, each once.
func (s *session) states() (states []string, n Notice) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	for {
		m, err := s.conn.Receive(ctx)
		if err != nil {
			s.t.Fatalf("after %v: %v", states, err)
		}
		switch m.Event {
		case "job":
			var j Status
			if err := m.Decode(&j); err != nil {
				s.t.Fatal(err)
			}
			if len(states) == 0 || states[len(states)-1] != j.State {
				states = append(states, j.State)
			}
		case "notice":
			if err := m.Decode(&n); err != nil {
				s.t.Fatal(err)
			}
			return states, n
		}
	}
}
