package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/ignis-go/ignis/internal/redistest"
)

// tryAPI publishes a message with an idempotency key, and reports whether it was published. The
// server may refuse the connection or the request.
func tryAPI(t *testing.T, url, key, once, body string) (done bool, why string) {
	t.Helper()
	r, err := http.NewRequestWithContext(withTimeout(t), http.MethodPost, url+"/api/v1/publish", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return true, ""
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Idempotency-Key", once)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return false, err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return err == nil && response.StatusCode == http.StatusOK, string(text)
}

// Messages that are published while a server drains and ends are published exactly once, if requests
// that fail are repeated with the same idempotency key on another server.
func TestPublishWhileAServerDrains(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	key, entry := makeKey(t, "all")
	file := writeFile(t, "ignis.yaml", keysFile(entry))
	p, first := serve(t, nil, "--dev", "--redis", r.URL(), "--config", file, "--drain-window", "1s")
	_, second := serve(t, nil, "--dev", "--redis", r.URL(), "--config", file)
	ben := listenTo(t, r.URL(), second, "ben", "lobby")
	dial(t, first, nil) // so that the drain takes its time

	const publishers = 8
	var all sync.WaitGroup
	var sent [publishers]int // messages of each publisher
	ended := make(chan struct{})
	for i := range publishers {
		all.Go(func() {
			for left := 20; left > 0; sent[i]++ { // some after the server has ended
				select {
				case <-ended:
					left--
				default:
				}
				once := fmt.Sprintf("%d-%d", i, sent[i])
				body := fmt.Sprintf(`{"to":{"room":"lobby"},"event":"n","data":%q}`, once)
				if done, why := tryAPI(t, "http://"+first, key, once, body); !done {
					if strings.Contains(why, "bus-unavailable") {
						t.Errorf("%s: the server answered %s", once, why)
					}
					redistest.Wait(t, "the other server to publish "+once, func() bool {
						done, why := tryAPI(t, "http://"+second, key, once, body)
						if !done && !strings.Contains(why, "idempotency-in-progress") {
							t.Errorf("%s: the other server answered %s", once, why)
						}
						return done
					})
				}
			}
		})
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("ended with exit code %d", code)
	}
	close(ended)
	all.Wait()
	emit(t, r.URL(), "room", "lobby", "end")
	got := make(map[string]int)
	for _, line := range ben.until("end") {
		var m struct{ Data string }
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		got[m.Data]++
	}
	for i, n := range sent {
		for j := range n {
			if once := fmt.Sprintf("%d-%d", i, j); got[once] != 1 {
				t.Errorf("%s arrived %d times", once, got[once])
			}
		}
	}
}
