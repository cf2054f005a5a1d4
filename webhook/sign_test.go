package webhook_test

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/webhook"
)

// The test vector of the specification's libraries. The signatures are those of their
// tests, and of the example in the specification with an asymmetric one beside it.
const (
	vectorID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	vectorTime      = 1614265330
	vectorBody      = `{"test": 2432232314}`
	vectorSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	otherSignature  = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
	asymmetric      = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
	otherSecret     = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"
)

func vectorHeader(signature string) http.Header {
	h := http.Header{}
	h.Set("webhook-id", vectorID)
	h.Set("webhook-timestamp", strconv.Itoa(vectorTime))
	h.Set("webhook-signature", signature)
	return h
}

// at waits, in a bubble, until the given second.
func at(second int64) { time.Sleep(time.Until(time.Unix(second, 0))) }

func TestVectors(t *testing.T) {
	for name, row := range map[string]struct {
		secrets   []string
		signature string
		body      string
		want      error
	}{
		"the vector":                {[]string{secret}, vectorSignature, vectorBody, nil},
		"a longer secret":           {[]string{secret + "Lg"}, vectorSignature, vectorBody, webhook.ErrSignature},
		"another secret before":     {[]string{otherSecret, secret}, vectorSignature, vectorBody, nil},
		"another secret behind":     {[]string{secret, otherSecret}, vectorSignature, vectorBody, nil},
		"another secret":            {[]string{otherSecret}, vectorSignature, vectorBody, webhook.ErrSignature},
		"several signatures":        {[]string{secret}, otherSignature + " " + strings.Replace(otherSignature, "v1", "v2", 1) + " " + vectorSignature + " " + otherSignature, vectorBody, nil},
		"and an asymmetric one":     {[]string{secret}, vectorSignature + " " + asymmetric, vectorBody, nil},
		"only an asymmetric one":    {[]string{secret}, asymmetric, vectorBody, webhook.ErrSignature},
		"another signature":         {[]string{secret}, otherSignature, vectorBody, webhook.ErrSignature},
		"another version":           {[]string{secret}, strings.Replace(vectorSignature, "v1", "v2", 1), vectorBody, webhook.ErrSignature},
		"no version":                {[]string{secret}, vectorSignature[3:], vectorBody, webhook.ErrSignature},
		"an empty signature":        {[]string{secret}, "v1,", vectorBody, webhook.ErrSignature},
		"a signature that is short": {[]string{secret}, vectorSignature[:len(vectorSignature)-4], vectorBody, webhook.ErrSignature},
		"unused bits":               {[]string{secret}, strings.Replace(vectorSignature, "OE=", "OF=", 1), vectorBody, webhook.ErrSignature},
		"another body":              {[]string{secret}, vectorSignature, vectorBody + "\n", webhook.ErrSignature},
		"no body":                   {[]string{secret}, vectorSignature, "", webhook.ErrSignature},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				at(vectorTime)
				v, err := webhook.NewVerifier(webhook.VerifierConfig{Secrets: row.secrets, Logger: nothing})
				if err != nil {
					t.Fatal(err)
				}
				if err := v.Verify(vectorHeader(row.signature), []byte(row.body)); err != row.want {
					t.Errorf("got %v, want %v", err, row.want)
				}
			})
		})
	}
}

// A request carries a signature for each secret, so that receivers with only one of them
// accept it, and the secrets can be replaced while requests are sent.
func TestRotation(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var header http.Header
		a := newApp(t, func(w http.ResponseWriter, r *http.Request, _ received) {
			header = r.Header.Clone()
			w.WriteHeader(http.StatusNoContent)
		})
		c := a.newClient(webhook.Config{Secrets: []string{secret, otherSecret}})
		ask := func() string {
			t.Helper()
			if _, err := c.OnMessage(t.Context(), ann(), message("say", `1`)); err != nil {
				t.Fatal(err)
			}
			return header.Get("webhook-signature")
		}
		if got := strings.Split(ask(), " "); len(got) != 2 || !strings.HasPrefix(got[0], "v1,") || !strings.HasPrefix(got[1], "v1,") || got[0] == got[1] {
			t.Errorf("signatures %q", got)
		}
		for _, bad := range [][]string{nil, {"nonsense"}, {secret, ""}} {
			if err := c.Rotate(bad); err == nil {
				t.Errorf("%q was accepted", bad)
			}
		}
		if err := c.Rotate([]string{secret}); err != nil {
			t.Error(err)
		}
		if got := strings.Split(ask(), " "); len(got) != 1 {
			t.Errorf("signatures %q", got)
		}
	})
}

func TestSecrets(t *testing.T) {
	encode := func(bytes int) string {
		return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", bytes)))
	}
	for text, want := range map[string]string{
		secret:                             "",
		encode(24):                         "",
		encode(25):                         "",
		encode(26):                         "",
		strings.TrimRight(encode(25), "="): "",
		encode(64):                         "",
		encode(23):                         "Secrets[1] has 23 bytes after decoding, but must have 24 to 64",
		encode(65):                         "Secrets[1] has 65 bytes after decoding, but must have 24 to 64",
		"whsec_":                           "Secrets[1] has 0 bytes after decoding, but must have 24 to 64",
		"":                                 "Secrets[1] does not begin with whsec_",
		secret[6:]:                         "Secrets[1] does not begin with whsec_",
		secret + "\n":                      "Secrets[1] is not base64 after whsec_: remove line ends",
		"whsec_ " + secret[6:]:             "Secrets[1] is not base64",
		`whsec_"` + secret[6:] + `"`:       "Secrets[1] is not base64",
		"WHSEC_" + secret[6:]:              "Secrets[1] does not begin with whsec_",
	} {
		_, err := webhook.New(webhook.Config{URL: "https://example.com", Secrets: []string{webhook.NewSecret(), text}})
		_, err2 := webhook.NewVerifier(webhook.VerifierConfig{Secrets: []string{webhook.NewSecret(), text}})
		for _, err := range []error{err, err2} {
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, want %q", text, err, want)
			}
			if err != nil && strings.Contains(err.Error(), secret[6:16]) {
				t.Errorf("the error contains the secret: %v", err)
			}
		}
	}
	if a, b := webhook.NewSecret(), webhook.NewSecret(); a == b || len(a) != len(encode(32)) {
		t.Errorf("new secrets %s and %s", a, b)
	}
}

// The callbacks have the types of the fields that they are for.
var _ = func(c *webhook.Client) ignis.Config {
	return ignis.Config{
		Authenticate: c.Authenticate, ValidateRooms: c.ValidateRooms, OnMessage: c.OnMessage,
		OnConnect: c.OnConnect, OnJoin: c.OnJoin, OnLeave: c.OnLeave, OnDisconnect: c.OnDisconnect,
	}
}
