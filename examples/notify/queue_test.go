package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/internal/redistest"
)

func TestReports(t *testing.T) {
	redis := redistest.Start(t).URL()
	a := newApp(t, redis)
	startWorker(t, redis, time.Millisecond)
	ann, ben := a.login(t, "ann"), a.login(t, "ben")
	for _, test := range []struct {
		report string
		states []string
		title  string
		bad    bool
	}{
		{sales, []string{"waiting", "running", "done"}, sales + " is ready", false},
		{customers, []string{"waiting", "running", "retrying", "running", "done"}, customers + " is ready", false},
		{audit, []string{"waiting", "running", "retrying", "running", "retrying", "running", "retrying", "failed"}, audit + " has failed", true},
	} {
		ann.post("/reports", "report", test.report, http.StatusOK)
		states, n := ann.states()
		if !slices.Equal(states, test.states) || n.Title != test.title || n.Bad != test.bad {
			t.Errorf("%s: %v, %+v", test.report, states, n)
		}
	}
	jobs, notices, err := a.inbox.Load(t.Context(), "ann")
	if err != nil || len(jobs) != 3 || len(notices) != 3 || notices[0].Title != audit+" has failed" || notices[0].Read {
		t.Errorf("Ann's inbox: %+v, %+v (%v)", jobs, notices, err)
	}
	ann.post("/inbox/read", "", "", http.StatusOK)
	if _, notices, _ = a.inbox.Load(t.Context(), "ann"); slices.ContainsFunc(notices, func(n Notice) bool { return !n.Read }) {
		t.Errorf("after reading: %+v", notices)
	}
	ann.post("/reports", "report", "Salaries", http.StatusBadRequest)

	// Ben has received nothing but his own.
	ben.post("/reports", "report", sales, http.StatusOK)
	if states, n := ben.states(); !slices.Equal(states, []string{"waiting", "running", "done"}) || n.Title != sales+" is ready" {
		t.Errorf("Ben received %v and %+v", states, n)
	}
}

// A job whose worker is killed is finished by another one.
func TestWorkerCrashes(t *testing.T) {
	redis := redistest.Start(t).URL()
	a := newApp(t, redis)
	kill := startWorker(t, redis, time.Minute)
	ann := a.login(t, "ann")
	ann.post("/reports", "report", sales, http.StatusOK)
	redistest.Wait(t, "the job to begin", func() bool {
		jobs, _, err := a.inbox.Load(t.Context(), "ann")
		return err == nil && len(jobs) == 1 && jobs[0].State == "running"
	})
	kill()
	startWorker(t, redis, time.Millisecond)
	states, n := ann.states()
	if n.Title != sales+" is ready" || states[len(states)-1] != "done" {
		t.Errorf("after the crash: %v, %+v", states, n)
	}
}

// A job that takes longer than Retry is not given to another worker, and no job runs twice.
func TestLongJob(t *testing.T) {
	redis := redistest.Start(t).URL()
	queue, _, err := testConfig(redis, 0).queue()
	if err != nil {
		t.Fatal(err)
	}
	defer queue.Redis.Close()
	for i := range 4 {
		if err := queue.Add(t.Context(), Job{ID: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ran := make(chan string, 100)
	ended := make(chan error, 2)
	for _, name := range []string{"a", "b"} {
		go func() {
			ended <- queue.Work(ctx, name, func(ctx context.Context, j Job, _ int) error {
				ran <- j.ID
				if j.ID == "0" { // while the other worker has nothing else to do
					pause(ctx, 4*queue.Retry)
				}
				return nil
			}, func(_ context.Context, j Job) { t.Errorf("job %s has failed", j.ID) })
		}()
	}
	redistest.Wait(t, "an empty queue", func() bool {
		n, err := queue.Redis.Do(ctx, queue.Redis.B().Xlen().Key(stream).Build()).AsInt64()
		return err == nil && n == 0
	})
	cancel()
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	close(ran)
	times := make(map[string]int)
	for id := range ran {
		times[id]++
	}
	if len(times) != 4 || times["0"]+times["1"]+times["2"]+times["3"] != 4 {
		t.Errorf("the jobs ran: %v", times)
	}
}

func TestStrangers(t *testing.T) {
	a := newApp(t, redistest.Start(t).URL())
	for _, path := range []string{"/inbox", "/inbox/read", "/reports"} {
		method := http.MethodPost
		if path == "/inbox" {
			method = http.MethodGet
		}
		req, err := http.NewRequestWithContext(t.Context(), method, a.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: %s", path, res.Status)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	_, err := client.Dial(t.Context(), "ws"+a.url[len("http"):]+"/ws", client.Config{})
	if !errors.Is(err, client.ErrAuthentication) {
		t.Errorf("without a cookie: %v", err)
	}
}
