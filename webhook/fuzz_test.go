package webhook_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/webhook"
)

// An answer that is accepted means the same to encoding/json, so that the application and
// the server cannot disagree about who a client is.
func FuzzIdentity(f *testing.F) {
	for _, s := range []string{
		`{"user":"ann","expires":"2030-01-31T09:05:07Z","grants":{"teams":["red"]},"info":{"a":1},"tokenId":7,"issuedAt":1.5}`,
		`{"user":42}`, `{"anonymous":true}`, `{"refuse":{"code":"forbidden","message":"x"}}`, `{"user":"a","User":"b"}`, `[]`, `{"user":"\ud800"}`,
	} {
		f.Add(200, []byte(s))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		id, err := webhook.ReadIdentity(status, body)
		if err != nil {
			if id.UserID != "" || id.Metadata != nil || !id.Expires.IsZero() {
				t.Errorf("%+v with %v", id, err)
			}
			checkShown(t, err)
			return
		}
		var want struct {
			User      any
			Anonymous bool
			Expires   any
			Info      json.RawMessage
			Grants    any
			TokenID   any `json:"tokenId"`
			IssuedAt  any `json:"issuedAt"`
			Refuse    any
		}
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.UseNumber()
		dec.DisallowUnknownFields()
		if err := dec.Decode(&want); err != nil {
			t.Fatalf("accepted, but %v: %q", err, body)
		}
		user, _ := want.User.(string)
		if n, ok := want.User.(json.Number); ok {
			user = n.String()
		}
		if user != id.UserID || (user == "") != want.Anonymous || want.Refuse != nil || !utf8.ValidString(user) {
			t.Errorf("%+v: %q", id, body)
		}
		if (want.Expires != nil) == id.Expires.IsZero() && want.Expires != "0001-01-01T00:00:00Z" {
			t.Errorf("ends at %v: %q", id.Expires, body)
		}
		m := id.Metadata.(*webhook.Metadata)
		if len(m.Info) > 1000 || !json.Valid(append([]byte("["), append(m.Info, ']')...)) {
			t.Errorf("info %q", m.Info)
		}
		for name, value := range m.Grants {
			if !json.Valid(value) {
				t.Errorf("grant %s %q", name, value)
			}
		}
	})
}

// checkShown checks what a client would be told.
func checkShown(t *testing.T, err error) {
	if e, ok := errors.AsType[*ignis.Error](err); ok && (e.Code == "" || len(e.Message) > 1024 || !utf8.ValidString(e.Message)) {
		t.Errorf("the client is told %+v", e)
	}
}

func FuzzRooms(f *testing.F) {
	f.Add(200, []byte(`{"rooms":["a","b","c","a"]}`))
	f.Add(403, []byte(`{"refuse":{}}`))
	f.Add(200, []byte(`{"rooms":[{"a":1},"\u0061"]}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		got, err := webhook.ReadRooms(status, body, []string{"a", "b", ""})
		if err != nil && len(got) > 0 || len(got) > 3 || len(got) > 0 && status/100 != 2 {
			t.Errorf("%q with %v", got, err)
		}
		for _, room := range got {
			if !slices.Contains([]string{"a", "b", ""}, room) {
				t.Errorf("%q was not asked for", room)
			}
		}
	})
}

func FuzzReply(f *testing.F) {
	f.Add(200, []byte(`{"reply":{"a":1}}`))
	f.Add(200, []byte(`{"refuse":{"code":"invalid","message":"\u00e4"}}`))
	f.Add(204, []byte(``))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		got, err := webhook.ReadReply(status, body)
		if got != nil && (err != nil || !json.Valid(got) || !utf8.Valid(got)) {
			t.Errorf("%q with %v", got, err)
		}
		if err != nil {
			checkShown(t, err)
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("120", int64(0))
	f.Add("Sat, 01 Jan 2000 00:01:00 GMT", int64(946684800))
	f.Fuzz(func(t *testing.T, value string, now int64) {
		if d := webhook.RetryAfter(value, time.Unix(now, 0)); d < 0 || d > 5*time.Minute {
			t.Errorf("%q: %v", value, d)
		}
	})
}

// Nothing in the log repeats a secret of 16 bytes or more.
func FuzzTextForLog(f *testing.F) {
	f.Add("an error: ", "sixteen bytes!!!", " and more")
	f.Fuzz(func(t *testing.T, before, credential, after string) {
		if len(credential) < 16 {
			t.Skip()
		}
		text := webhook.TextForLog([]byte(before+credential+after), []byte(`{"token":"`+credential+`"}`))
		if strings.Contains(text, credential) || len(text) > 300 {
			t.Errorf("%q is in %q", credential, text)
		}
	})
}
