package httpapi_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/ignis-go/ignis/httpapi"
)

// newKey returns a key with the scope publish, and its description.
func newKey(t *testing.T, id string) (string, httpapi.Key) {
	t.Helper()
	key, hash, err := httpapi.NewKey(id)
	if err != nil {
		t.Fatal(err)
	}
	return key, httpapi.Key{ID: id, Hashes: []string{hash}, Scopes: []httpapi.Scope{httpapi.ScopePublish}}
}

// SetKeys replaces the keys and nothing else: idempotency keys and the rates of keys that stay
// are kept.
func TestSetKeys(t *testing.T) {
	n := start(t, setup{})
	old, oldKey := newKey(t, "shop")
	oldKey.Rate, oldKey.Burst = 0.001, 3
	set := func(keys ...httpapi.Key) {
		t.Helper()
		if err := n.api.SetKeys(keys); err != nil {
			t.Fatal(err)
		}
	}
	once := func(key, id string) answer {
		t.Helper()
		return n.do("", "POST", "/v1/publish", hello, "Authorization", "Bearer "+key, "Idempotency-Key", id)
	}
	set(oldKey)
	n.do("all", "POST", "/v1/publish", hello).problem(401, "unauthorized")
	once(old, "1").ok(`{"localRecipients":0}`)

	// During a rotation, both keys are valid.
	next, nextKey := newKey(t, "shop")
	both := oldKey
	both.Hashes = append(both.Hashes, nextKey.Hashes...)
	set(both)
	for _, key := range []string{old, next} {
		if a := once(key, "1").ok(`{"localRecipients":0}`); a.header.Get("Idempotency-Replayed") != "true" {
			t.Error("the idempotency key was forgotten")
		}
	}
	once(next, "2").problem(429, "rate-limited")

	// Another rate, and later none.
	nextKey.Rate = -1
	set(nextKey)
	once(old, "3").problem(401, "unauthorized")
	for i := range 5 {
		once(next, fmt.Sprint("4", i)).ok(`{"localRecipients":0}`)
	}
	set(nextKey) // without a limit before and after

	// Errors change nothing.
	_, other := newKey(t, "other")
	for _, bad := range [][]httpapi.Key{{other, other}, {other, {ID: "x"}}, {{}}} {
		if n.api.SetKeys(bad) == nil || httpapi.CheckKeys(bad) == nil {
			t.Errorf("SetKeys has accepted %+v", bad)
		}
	}
	once(next, "5").ok(`{"localRecipients":0}`)

	set()
	once(next, "6").problem(401, "unauthorized")
}

// Keys can be replaced while requests are served. A key that is in both sets is valid all the
// time.
func TestSetKeysConcurrently(t *testing.T) {
	n := start(t, setup{})
	key, described := newKey(t, "shop")
	_, other := newKey(t, "other")
	if err := n.api.SetKeys([]httpapi.Key{described}); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 50 {
				n.do("", "POST", "/v1/publish", hello, "Authorization", "Bearer "+key).ok(`{"localRecipients":0}`)
			}
		})
	}
	for i := range 200 {
		if err := n.api.SetKeys([][]httpapi.Key{{described}, {other, described}}[i%2]); err != nil {
			t.Fatal(err)
		}
	}
	all.Wait()
}
