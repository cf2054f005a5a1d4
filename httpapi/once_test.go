package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis/bustest"
	"github.com/ignis-go/ignis/httpapi"
)

// shared is a store of several instances in memory, which can fail.
type shared struct {
	mu     sync.Mutex
	claims map[string]string
	fail   map[string]error // by method
}

func newShared() *shared {
	return &shared{claims: make(map[string]string), fail: make(map[string]error)}
}

func (s *shared) failing(method string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail[method] = err
}

func (s *shared) snapshot() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.claims)
}

func (s *shared) Claim(_ context.Context, key string, value []byte, _ time.Duration) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.fail["Claim"]; err != nil {
		return nil, err
	}
	if v, ok := s.claims[key]; ok {
		return []byte(v), nil
	}
	s.claims[key] = string(value)
	return nil, nil
}

func (s *shared) Replace(_ context.Context, key string, value []byte, _ time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.fail["Replace"]; err != nil {
		return err
	}
	s.claims[key] = string(value)
	return nil
}

func (s *shared) Release(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.fail["Release"]; err != nil {
		return err
	}
	delete(s.claims, key)
	return nil
}

// once sends a request to publish with an idempotency key.
func (n *node) once(key, body string) answer {
	n.t.Helper()
	return n.post("/v1/publish", body, "Idempotency-Key", key)
}

func replayed(a answer) bool { return a.header.Get("Idempotency-Replayed") == "true" }

// A request with an idempotency key is executed once, even if it is sent to several instances.
func TestIdempotency(t *testing.T) {
	store := newShared()
	buses := bustest.NewCluster(2)
	for name, stores := range map[string][2]httpapi.Store{"in memory": {}, "shared": {store, store}} {
		t.Run(name, func(t *testing.T) {
			a := start(t, setup{bus: buses[0], api: httpapi.Config{Store: stores[0]}})
			b := start(t, setup{bus: buses[1], api: httpapi.Config{Store: stores[1]}})
			ann := a.dial("ann")
			if replayed(a.once("k1", hello).ok(`{"localRecipients":1}`)) {
				t.Error("the first answer is a replay")
			}
			if !replayed(a.once("k1", hello).ok(`{"localRecipients":1}`)) {
				t.Error("the second answer is not a replay")
			}
			if stores[1] != nil && !replayed(b.once("k1", hello).ok(`{"localRecipients":1}`)) {
				t.Error("the answer of another instance is not a replay")
			}
			// Another key, or another client with the same key, is another request.
			a.once("k2", hello).ok(`{"localRecipients":1}`)
			if replayed(a.do("publish", "POST", "/v1/publish", hello, "Idempotency-Key", "k1").ok(`{"localRecipients":1}`)) {
				t.Error("the answer for another client is replayed")
			}
			a.once("k1", strings.Replace(hello, "hello", "other", 1)).problem(422, "idempotency-key-reused")
			a.once("k1", hello+" ").problem(422, "idempotency-key-reused")
			a.post("/v1/join", hello, "Idempotency-Key", "k1").problem(422, "idempotency-key-reused")
			a.once("k1", hello).ok(`{"localRecipients":1}`)
			for range 3 {
				ann.Expect("hello", nil)
			}
			a.post("/v1/publish", `{"to":{"user":"ann"},"event":"last"}`)
			ann.Expect("last", nil)
			// Operations that package huma decodes have idempotency keys as well.
			a.post("/v1/join", `{"to":{"user":"ann"},"rooms":["a"]}`, "Idempotency-Key", "k3").ok(`{"localClients":1}`)
			if err := a.Leave(ann.ID(), "a"); err != nil {
				t.Fatal(err)
			}
			if !replayed(a.post("/v1/join", `{"to":{"user":"ann"},"rooms":["a"]}`, "Idempotency-Key", "k3").ok(`{"localClients":1}`)) || a.InRoom(ann.ID(), "a") {
				t.Error("a command was executed again")
			}
			if s := a.api.Stats(); s.Replayed != 3 || s.Messages != 4 {
				t.Errorf("stats %+v", s)
			}
		})
	}
	for key, value := range store.snapshot() {
		if strings.Contains(key+value, "k1") || strings.Contains(value, "hello") {
			t.Errorf("%s: %s is stored", key, value)
		}
	}
}

// A request that was refused, so that nothing was done, may be repeated with the same key.
func TestRefusedRequestsReleaseTheirKey(t *testing.T) {
	store := newShared()
	n := start(t, setup{api: httpapi.Config{Store: store}})
	n.once("k", `{`).problem(400, "malformed")
	n.post("/v1/join", `{}`, "Idempotency-Key", "k").problem(422, "invalid")
	n.once("k", `{"to":{"user":"ann"},"event":""}`).problem(422, "invalid")
	if left := store.snapshot(); len(left) > 0 {
		t.Errorf("stored: %q", left)
	}
	n.once("k", hello).ok(`{"localRecipients":0}`)
}

// An answer that says what was done before the bus failed is repeated.
func TestPartialAnswersAreReplayed(t *testing.T) {
	bus := &refusing{Bus: bustest.NewCluster(1)[0]}
	n := start(t, setup{bus: bus, api: httpapi.Config{Store: newShared()}})
	ann := n.dial("ann")
	bus.refuse(`"event":"hello"`)
	first := n.once("k", hello)
	first.problem(503, "bus-unavailable")
	bus.refuse("")
	second := n.once("k", hello)
	if second.status != 503 || second.body != first.body || !replayed(second) || second.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("answered %d %s", second.status, second.body)
	}
	ann.Expect("hello", nil)
	n.post("/v1/publish", `{"to":{"user":"ann"},"event":"last"}`)
	ann.Expect("last", nil)
}

// A command that did not reach the other instances is executed again, because that is safe.
func TestFailedCommandsAreRepeated(t *testing.T) {
	bus := &refusing{Bus: bustest.NewCluster(1)[0]}
	n := start(t, setup{bus: bus, api: httpapi.Config{Store: newShared()}})
	ann := n.dial("ann")
	revoke := func() answer {
		return n.post("/v1/revoke", `{"user":"ann","until":"2100-01-01T00:00:00Z"}`, "Idempotency-Key", "k")
	}
	bus.refuse(`"command":"revoke"`)
	if p := revoke().problem(503, "bus-unavailable"); p.LocalClients == nil || *p.LocalClients != 1 {
		t.Errorf("problem %+v", p)
	}
	ann.ExpectClose(4006)
	bus.refuse("")
	if replayed(revoke().ok(`{"localClients":0}`)) {
		t.Error("the command was not executed again")
	}
	if !replayed(revoke().ok(`{"localClients":0}`)) {
		t.Error("the command was executed a third time")
	}
}

// A batch of which a part was sent before a panic is not sent again.
func TestPanicAfterAPartWasSent(t *testing.T) {
	bus := &panicking{Bus: bustest.NewCluster(1)[0], text: `"event":"second"`}
	n := start(t, setup{bus: bus, api: httpapi.Config{Store: newShared()}})
	ann := n.dial("ann")
	batch := func() answer {
		return n.post("/v1/publish/batch", `{"messages":[{"to":{"user":"ann"},"event":"first"},{"to":{"room":"r"},"event":"second"}]}`, "Idempotency-Key", "k")
	}
	batch().problem(500, "internal")
	batch().problem(409, "idempotency-in-progress")
	ann.Expect("first", nil)
	n.post("/v1/publish", `{"to":{"user":"ann"},"event":"last"}`)
	ann.Expect("last", nil)
}

// Without the store, a request with a key is not executed.
func TestStoreFails(t *testing.T) {
	store := newShared()
	n := start(t, setup{api: httpapi.Config{Store: store}})
	ann := n.dial("ann")
	store.failing("Claim", errors.New("no luck"))
	a := n.once("k", hello)
	a.problem(503, "idempotency-unavailable")
	if strings.Contains(a.body, "no luck") || !strings.Contains(n.log.String(), "no luck") {
		t.Errorf("answered %s, logged %s", a.body, n.log)
	}
	store.failing("Claim", nil)
	// If the answer cannot be stored, the outcome is unknown to later requests. At first, the
	// request may be in progress.
	store.failing("Replace", errors.New("no luck"))
	n.once("k", hello).ok(`{"localRecipients":1}`)
	store.failing("Replace", nil)
	n.once("k", hello).problem(409, "idempotency-in-progress")
	for key, value := range store.snapshot() {
		_ = store.Replace(t.Context(), key, []byte(`{"r":"`+strings.Split(value, `"`)[3]+`","t":1}`), 0)
	}
	n.once("k", hello).problem(409, "idempotency-unknown")
	for key, value := range store.snapshot() {
		for _, bad := range []string{"garbage", `{"r":"` + strings.Split(value, `"`)[3] + `","s":42}`, `{"r":"` + strings.Split(value, `"`)[3] + `","s":100}`} {
			_ = store.Replace(t.Context(), key, []byte(bad), 0)
			n.once("k", hello).problem(409, "idempotency-unknown")
		}
	}
	ann.Expect("hello", nil)
	n.post("/v1/publish", `{"to":{"user":"ann"},"event":"last"}`)
	ann.Expect("last", nil)
	if s := n.api.Stats(); s.StoreFailures != 1 {
		t.Errorf("stats %+v", s)
	}
}

// Of concurrent requests with the same key, one is executed. The others are told to wait, or get
// its answer.
func TestConcurrentIdempotency(t *testing.T) {
	buses := bustest.NewCluster(2)
	store := newShared()
	nodes := []*node{
		start(t, setup{bus: buses[0], api: httpapi.Config{Store: store}}),
		start(t, setup{bus: buses[1], api: httpapi.Config{Store: store}}),
	}
	ann := nodes[0].dial("ann")
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			for {
				a := nodes[i%2].once(fmt.Sprint("key", i/20), hello)
				if a.status == 200 {
					return
				}
				a.problem(409, "idempotency-in-progress")
			}
		})
	}
	all.Wait()
	// Through the bus, so that it follows everything the second node has sent.
	nodes[1].post("/v1/publish", `{"to":{"user":"ann"},"event":"last"}`)
	ann.Expect("hello", nil)
	ann.Expect("hello", nil)
	ann.Expect("last", nil)
}

// The header is checked.
func TestIdempotencyKeys(t *testing.T) {
	n := start(t, setup{})
	for _, key := range []string{"", " ", "a b", "é", "a\tb", strings.Repeat("x", 256)} {
		n.once(key, hello).problem(400, "malformed")
	}
	n.post("/v1/publish", hello, "Idempotency-Key", "a", "Idempotency-Key", "b").problem(400, "malformed")
	for _, key := range []string{"a", `"8e03978e-40d5-43e8-bc93-6894a57f9324"`, strings.Repeat("x", 255), "~!@#"} {
		n.once(key, hello).ok(`{"localRecipients":0}`)
	}
	// Reading has no effect, so a key is ignored.
	n.do("all", "GET", "/v1/counts", "", "Idempotency-Key", "a b").decode(new(any))
}

// The number of idempotency keys in a time is limited for each API key, also for one that is
// rotated.
func TestTooManyIdempotencyKeys(t *testing.T) {
	n := start(t, setup{api: httpapi.Config{MaxIdempotencyKeys: 2}})
	n.once("1", hello).ok(`{"localRecipients":0}`)
	n.once("1", hello).ok(`{"localRecipients":0}`)
	n.once("3", hello).problem(503, "idempotency-unavailable")
	n.post("/v1/publish", hello).ok(`{"localRecipients":0}`)
	n.do("publish", "POST", "/v1/publish", hello, "Idempotency-Key", "3").ok(`{"localRecipients":0}`)
	key, hash, err := httpapi.NewKey("all")
	if err != nil {
		t.Fatal(err)
	}
	n.keys["all"] = key
	if err := n.api.SetKeys([]httpapi.Key{{ID: "all", Scopes: scopes["all"], Hashes: []string{hash}}}); err != nil {
		t.Fatal(err)
	}
	n.once("3", hello).problem(503, "idempotency-unavailable")
}

// If the bus is unavailable and there is no Store, nothing is done.
func TestIdempotencyWithoutTheBus(t *testing.T) {
	bus := &sick{simple{bustest.NewCluster(1)[0]}}
	n := start(t, setup{bus: bus})
	ann := n.dial("ann")
	p := n.once("k", hello).problem(503, "bus-unavailable")
	if p.LocalRecipients != nil || !strings.Contains(p.Detail, "Nothing was done") {
		t.Errorf("problem %+v", p)
	}
	n.post("/v1/publish", `{"to":{"user":"ann"},"event":"last"}`).ok(`{"localRecipients":1}`)
	ann.Expect("last", nil)
}

// sick is a bus that is not healthy.
type sick struct{ simple }

func (sick) Health() error { return errors.New("no luck") }
func (sick) Lost() uint64  { return 7 }

// In memory, a key is forgotten after its time, and may then be used for another request.
func TestIdempotencyKeysAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := httpapi.NewMemory()
		const ttl = time.Minute
		claim := func(key, value, want string) {
			t.Helper()
			got, err := m.Claim(t.Context(), key, []byte(value), ttl)
			if err != nil || string(got) != want {
				t.Errorf("Claim(%s, %s) = %q, %v, want %q", key, value, got, err, want)
			}
		}
		claim("a", "1", "")
		time.Sleep(ttl / 2)
		claim("b", "2", "")
		if err := m.Replace(t.Context(), "a", []byte("3"), ttl); err != nil {
			t.Error(err)
		}
		time.Sleep(ttl/2 + 1)
		claim("a", "4", "3") // its time has begun again
		claim("b", "5", "2")
		if err := m.Release(t.Context(), "b"); err != nil {
			t.Error(err)
		}
		claim("b", "6", "")
		time.Sleep(ttl / 2)
		claim("a", "7", "")
		claim("b", "8", "6")
		time.Sleep(2 * ttl)
		claim("c", "9", "")
		if n := httpapi.MemoryClaims(m); n != 1 {
			t.Errorf("%d claims are in memory", n)
		}
		large := strings.Repeat("x", 16<<20)
		for i := range 3 {
			claim(fmt.Sprint("large", i), large, "")
		}
		if _, err := m.Claim(t.Context(), "large3", []byte(large), ttl); err == nil {
			t.Error("more than 64 MiB are kept")
		}
		claim("small", "1", "")
	})
}
