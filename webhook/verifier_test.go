package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis/webhook"
)

// signed returns the header of a request, signed as the specification says.
func signed(id, timestamp, body string) http.Header {
	key, _ := base64.StdEncoding.DecodeString(secret[len("whsec_"):])
	mac := hmac.New(sha256.New, key)
	_, _ = io.WriteString(mac, id+"."+timestamp+"."+body)
	return http.Header{
		"Webhook-Id":        {id},
		"Webhook-Timestamp": {timestamp},
		"Webhook-Signature": {"v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))},
	}
}

// signedAt is like signed for a time relative to now.
func signedAt(id string, d time.Duration, body string) http.Header {
	return signed(id, fmt.Sprint(time.Now().Add(d).Unix()), body)
}

func newVerifier(t testing.TB, cfg webhook.VerifierConfig) *webhook.Verifier {
	t.Helper()
	cfg.Secrets = []string{secret}
	if cfg.Logger == nil {
		cfg.Logger = nothing
	}
	v, err := webhook.NewVerifier(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVerify(t *testing.T) {
	for name, row := range map[string]struct {
		header func() http.Header
		want   error
	}{
		"good":                       {func() http.Header { return signedAt("a", 0, "x") }, nil},
		"oldest":                     {func() http.Header { return signedAt("a", -5*time.Minute, "x") }, nil},
		"too old":                    {func() http.Header { return signedAt("a", -5*time.Minute-time.Second, "x") }, webhook.ErrTimestamp},
		"newest":                     {func() http.Header { return signedAt("a", 5*time.Minute, "x") }, nil},
		"too new":                    {func() http.Header { return signedAt("a", 5*time.Minute+time.Second, "x") }, webhook.ErrTimestamp},
		"in the far future":          {func() http.Header { return signed("a", "9223372036854775807", "x") }, webhook.ErrTimestamp},
		"beyond int64":               {func() http.Header { return signed("a", "9223372036854775808", "x") }, webhook.ErrHeaders},
		"in 1970":                    {func() http.Header { return signed("a", "0", "x") }, webhook.ErrTimestamp},
		"a negative timestamp":       {func() http.Header { return signed("a", "-1", "x") }, webhook.ErrHeaders},
		"a fraction":                 {func() http.Header { return signed("a", fmt.Sprint(time.Now().Unix())+".5", "x") }, webhook.ErrHeaders},
		"milliseconds":               {func() http.Header { return signed("a", fmt.Sprint(time.Now().UnixMilli()), "x") }, webhook.ErrTimestamp},
		"an empty timestamp":         {func() http.Header { return signed("a", "", "x") }, webhook.ErrHeaders},
		"a long timestamp":           {func() http.Header { return signed("a", strings.Repeat("0", 20)+"1", "x") }, webhook.ErrHeaders},
		"a plus":                     {func() http.Header { return signed("a", "+"+fmt.Sprint(time.Now().Unix()), "x") }, webhook.ErrHeaders},
		"a dot in the ID":            {func() http.Header { return signedAt("a.1", 0, "x") }, webhook.ErrHeaders},
		"an empty ID":                {func() http.Header { return signedAt("", 0, "x") }, webhook.ErrHeaders},
		"the longest ID":             {func() http.Header { return signedAt(strings.Repeat("a", 256), 0, "x") }, nil},
		"a longer ID":                {func() http.Header { return signedAt(strings.Repeat("a", 257), 0, "x") }, webhook.ErrHeaders},
		"another body":               {func() http.Header { return signedAt("a", 0, "y") }, webhook.ErrSignature},
		"no headers":                 {func() http.Header { return http.Header{} }, webhook.ErrHeaders},
		"no ID":                      {without("Webhook-Id"), webhook.ErrHeaders},
		"no timestamp":               {without("Webhook-Timestamp"), webhook.ErrHeaders},
		"no signature":               {without("Webhook-Signature"), webhook.ErrHeaders},
		"two IDs":                    {twice("Webhook-Id"), webhook.ErrHeaders},
		"two timestamps":             {twice("Webhook-Timestamp"), webhook.ErrHeaders},
		"two headers for signatures": {twice("Webhook-Signature"), webhook.ErrHeaders},
		"a forged ID":                {replaced("Webhook-Id", "b"), webhook.ErrSignature},
		"a forged timestamp": {func() http.Header {
			h := signedAt("a", -time.Hour, "x")
			h.Set("Webhook-Timestamp", fmt.Sprint(time.Now().Unix()))
			return h
		}, webhook.ErrSignature},
		"a forged signature": {replaced("Webhook-Signature", otherSignature), webhook.ErrSignature},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := newVerifier(t, webhook.VerifierConfig{})
				if err := v.Verify(row.header(), []byte("x")); err != row.want {
					t.Errorf("got %v, want %v", err, row.want)
				}
				if s := v.Stats(); s.Accepted+s.Headers+s.Timestamp+s.Signature != 1 || (s.Accepted == 1) != (row.want == nil) {
					t.Errorf("counted %+v", s)
				}
			})
		})
	}
}

func without(name string) func() http.Header {
	return func() http.Header { h := signedAt("a", 0, "x"); h.Del(name); return h }
}

func twice(name string) func() http.Header {
	return func() http.Header { h := signedAt("a", 0, "x"); h.Add(name, h.Get(name)); return h }
}

func replaced(name, value string) func() http.Header {
	return func() http.Header { h := signedAt("a", 0, "x"); h.Set(name, value); return h }
}

// A recorded request is refused for as long as its timestamp would be accepted, and then
// because of that, whatever happens to the clock. One that the sender repeats is accepted.
func TestReplay(t *testing.T) {
	for _, age := range []time.Duration{-5 * time.Minute, -time.Minute, 0, 3 * time.Minute, 5 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			v := newVerifier(t, webhook.VerifierConfig{})
			h := signedAt("a", age, "x")
			want := error(nil)
			for range 700 { // seconds
				if err := v.Verify(h, []byte("x")); err != want {
					t.Fatalf("sent for %v, at %v: %v, want %v", age, time.Now(), err, want)
				}
				want = webhook.ErrReplayed
				time.Sleep(time.Second)
				if at := fmt.Sprint(time.Now().Unix() - 301); h.Get("webhook-timestamp") <= at {
					want = webhook.ErrTimestamp
				}
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		v := newVerifier(t, webhook.VerifierConfig{})
		old := signedAt("a", 0, "x")
		for range 3 {
			time.Sleep(time.Second)
			if err := v.Verify(signedAt("a", 0, "x"), []byte("x")); err != nil {
				t.Errorf("repeated by the sender: %v", err)
			}
		}
		if err := v.Verify(old, []byte("x")); err != webhook.ErrReplayed {
			t.Errorf("recorded before that: %v", err)
		}
		last := signedAt("a", 0, "x")
		time.Sleep(200 * time.Second)
		if err := v.Verify(signedAt("a", 0, "x"), []byte("x")); err != nil {
			t.Errorf("repeated by the sender: %v", err)
		}
		time.Sleep(99 * time.Second)
		if err := v.Verify(last, []byte("x")); err != webhook.ErrReplayed {
			t.Errorf("recorded, and repeated by the sender after that: %v", err)
		}
		last = signedAt("a", -99*time.Second, "x")
		time.Sleep(200 * time.Second) // the first requests could be forgotten
		if err := v.Verify(last, []byte("x")); err != webhook.ErrReplayed {
			t.Errorf("recorded, after the first ones could be forgotten: %v", err)
		}
	})
}

// What is remembered is bounded. Requests that are not signed take no place.
func TestRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVerifier(t, webhook.VerifierConfig{MaxRemembered: 100, Tolerance: time.Minute})
		now := 0
		fill := func() (n int) {
			for range 200 {
				now++
				if err := v.Verify(signedAt(fmt.Sprint(now), 0, "x"), []byte("x")); err == nil {
					n++
				} else if err != webhook.ErrFull {
					t.Fatal(err)
				}
			}
			return n
		}
		for i := range 1000 {
			h := signedAt(fmt.Sprint(i), 0, "x")
			h.Set("Webhook-Signature", otherSignature)
			if err := v.Verify(h, []byte("x")); err != webhook.ErrSignature {
				t.Fatal(err)
			}
		}
		if n := fill(); n != 100 {
			t.Errorf("%d were remembered", n)
		}
		time.Sleep(time.Minute)
		if n := fill(); n != 0 {
			t.Errorf("%d were remembered before the others could be forgotten", n)
		}
		time.Sleep(time.Second)
		if n := fill(); n != 100 {
			t.Errorf("%d were remembered when the others could be forgotten", n)
		}
		time.Sleep(time.Hour)
		if n := fill(); n != 100 {
			t.Errorf("%d were remembered after a pause", n)
		}
		if v.Stats().Full != 500 || v.Stats().Accepted != 300 {
			t.Errorf("counted %+v", v.Stats())
		}
	})
}

func TestVerifierConfig(t *testing.T) {
	for name, cfg := range map[string]webhook.VerifierConfig{
		"no secrets":    {},
		"Tolerance":     {Secrets: []string{secret}, Tolerance: -1},
		"MaxRemembered": {Secrets: []string{secret}, MaxRemembered: -1},
		"MaxBody":       {Secrets: []string{secret}, MaxBody: -1},
	} {
		if _, err := webhook.NewVerifier(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// No header makes the verifier panic, and none is accepted that was not signed.
func FuzzVerify(f *testing.F) {
	f.Add("a", "1767225600", "v1,"+strings.Repeat("A", 43)+"=", "{}")
	f.Add("a.b", "-1", "v1, v1,x v1a,y", "")
	v := newVerifier(f, webhook.VerifierConfig{})
	f.Fuzz(func(t *testing.T, id, timestamp, signature, body string) {
		h := http.Header{}
		h.Set("webhook-id", id)
		h.Set("webhook-timestamp", timestamp)
		h.Set("webhook-signature", signature)
		if v.Verify(h, []byte(body)) == nil {
			t.Errorf("accepted %q", h)
		}
	})
}
