package webhook_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/webhook"
	"github.com/ignis-go/ignis/wire"
)

// The request about rooms, and the answers that let a client join. If an answer is malformed,
// the client joins no room.
func TestValidateRooms(t *testing.T) {
	for name, row := range map[string]struct {
		status int
		body   string
		want   []string
		fails  string // with this error; "" if it does not
		cause  webhook.Cause
	}{
		"some":                {200, `{"rooms":["b"]}`, []string{"b"}, "", ""},
		"all, out of order":   {200, `{"rooms":["b","a"]}`, []string{"b", "a"}, "", ""},
		"none":                {200, `{"rooms":[]}`, nil, "", ""},
		"others":              {200, `{"rooms":["c","b","A"]}`, []string{"b"}, "", ""},
		"twice":               {200, `{"rooms":["b","b"]}`, []string{"b"}, "", ""},
		"escaped":             {200, `{"rooms":["\u0062"]}`, []string{"b"}, "", ""},
		"403":                 {403, `no`, nil, "", ""},
		"401":                 {401, ``, nil, "", ""},
		"404":                 {404, ``, nil, "webhook: join: unexpected status: 404", webhook.CauseStatus},
		"500":                 {500, `{"rooms":["b"]}`, nil, "webhook: join: unexpected status: 500", webhook.CauseStatus},
		"empty":               {200, ``, nil, "it is not a JSON object", webhook.CauseMalformed},
		"204":                 {204, ``, nil, "it is not a JSON object", webhook.CauseMalformed},
		"no rooms":            {200, `{}`, nil, "rooms is not an array", webhook.CauseMalformed},
		"null":                {200, `{"rooms":null}`, nil, "rooms is not an array", webhook.CauseMalformed},
		"true":                {200, `{"rooms":true}`, nil, "rooms is not an array", webhook.CauseMalformed},
		"an object":           {200, `{"rooms":{"1":"b"}}`, nil, "array_values", webhook.CauseMalformed},
		"a number":            {200, `{"rooms":["b",1]}`, nil, "rooms is not an array of strings", webhook.CauseMalformed},
		"half a surrogate":    {200, `{"rooms":["\ud800"]}`, nil, "rooms is not an array of strings", webhook.CauseMalformed},
		"an array":            {200, `["b"]`, nil, "it is not a JSON object", webhook.CauseMalformed},
		"rooms twice":         {200, `{"rooms":[],"rooms":["b"]}`, nil, `it contains "rooms" twice`, webhook.CauseMalformed},
		"another name":        {200, `{"Rooms":["b"]}`, nil, `unknown field "Rooms"`, webhook.CauseMalformed},
		"an unknown code":     {200, `{"refuse":{"code":"x"}}`, nil, "refuse.code must be one of", webhook.CauseMalformed},
		"refuse and no array": {200, `{"rooms":true,"refuse":{}}`, nil, "rooms is not an array", webhook.CauseMalformed},
		"a thousand elements": {200, `{"rooms":[` + strings.Repeat(`"x",`, 1000) + `"a"]}`, []string{"a"}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				a := newApp(t, says(row.status, row.body))
				c := a.newClient(webhook.Config{})
				got, err := c.ValidateRooms(t.Context(), ann(), []string{"a", "b"})
				if !slices.Equal(got, row.want) {
					t.Errorf("allowed %q, want %q", got, row.want)
				}
				s := c.Stats().Rooms
				switch {
				case row.fails == "" && err != nil:
					t.Error(err)
				case row.fails != "":
					unusable(t, err, "webhook: join: ", row.fails)
					if s.Failed[row.cause] != 1 {
						t.Errorf("counted %+v", s)
					}
				case s.Accepted+s.Refused != 1 || (s.Refused == 1) != (row.status >= 400):
					t.Errorf("counted %+v", s)
				}
				want := `{"client":{"id":"c1","user":"ann","address":"192.0.2.7:5000","connectedAt":"2026-01-31T09:05:07.000Z","tokenId":"t1","info":{"name":"Ann"},"grants":{"teams":["red"]}},"rooms":["a","b"]}`
				if r := a.take(); len(r) != 1 || r[0].Type != "join" || string(r[0].Data) != want {
					t.Errorf("asked %+v", r)
				}
			})
		})
	}
}

// The endpoint refuses rooms with a text for the client, with the status 200 or one from 400 to 499.
// With the status 200 it may allow others.
func TestValidateRoomsRefused(t *testing.T) {
	for name, row := range map[string]struct {
		status int
		body   string
		want   []string
		told   ignis.Error
	}{
		"all":                {200, `{"refuse":{"code":"rate_limited","message":"Later."}}`, nil, ignis.Error{Code: wire.CodeRateLimited, Message: "Later."}},
		"all, without texts": {200, `{"refuse":{}}`, nil, ignis.Error{Code: wire.CodeForbidden}},
		"null":               {200, `{"rooms":null,"refuse":{}}`, nil, ignis.Error{Code: wire.CodeForbidden}},
		"the others":         {200, `{"rooms":["b"],"refuse":{"message":"No quiz."}}`, []string{"b"}, ignis.Error{Code: wire.CodeForbidden, Message: "No quiz."}},
		"403":                {403, `{"refuse":{"message":"No quiz."}}`, nil, ignis.Error{Code: wire.CodeForbidden, Message: "No quiz."}},
		"422":                {422, `{"refuse":{"code":"not_found","message":"No quiz."}}`, nil, ignis.Error{Code: wire.CodeNotFound, Message: "No quiz."}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				a := newApp(t, says(row.status, row.body))
				c := a.newClient(webhook.Config{})
				got, err := c.ValidateRooms(t.Context(), ann(), []string{"a", "b"})
				if !slices.Equal(got, row.want) {
					t.Errorf("allowed %q, want %q", got, row.want)
				}
				if partial, ok := errors.AsType[*ignis.PartialError](err); !ok || partial == nil {
					t.Errorf("got %v, want a PartialError", err)
				}
				if told, ok := errors.AsType[*ignis.Error](err); !ok || *told != row.told {
					t.Errorf("the client is told %+v, want %+v", told, row.told)
				}
				if s := c.Stats().Rooms; s.Refused != 1 || s.Accepted != 0 || len(s.Failed) > 0 {
					t.Errorf("counted %+v", s)
				}
			})
		})
	}
}

// Info replaces what the endpoint answered as info. If it cannot be encoded, the question is
// not sent.
func TestInfo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newApp(t, says(200, `{"rooms":["a"]}`))
		info := any(map[string]int{"level": 3})
		c := a.newClient(webhook.Config{CircuitFailures: 1, Info: func(*ignis.Client) any { return info }})
		if _, err := c.ValidateRooms(t.Context(), ann(), []string{"a"}); err != nil {
			t.Error(err)
		}
		other := ann()
		other.Metadata = "not from this package"
		if _, err := c.ValidateRooms(t.Context(), other, []string{"a"}); err != nil {
			t.Error(err)
		}
		for i, r := range a.take() {
			if got := string(r.Data); !strings.Contains(got, `"info":{"level":3}`) || strings.Contains(got, "grants") != (i == 0) {
				t.Errorf("asked %s", got)
			}
		}
		info = func() {}
		_, err := c.ValidateRooms(t.Context(), ann(), []string{"a"})
		unusable(t, err, "webhook: join: request not encoded: ", "func()")
		if _, err := c.TellMessage(t.Context(), ann(), message("say", `1`)); err == nil {
			t.Error("the event was accepted")
		}
		s := c.Stats()
		if s.Rooms.Failed[webhook.CauseRequest] != 1 || s.Rooms.Circuit != webhook.CircuitClosed || s.Rooms.Requests != 2 || s.Lost[webhook.LostInvalid] != 1 || s.Queued != 0 {
			t.Errorf("counted %+v", s)
		}
		if len(a.take()) != 0 || !a.log.Has("the result of Config.Info cannot be encoded as JSON") {
			t.Errorf("logged %v", a.log)
		}
	})
}

// If Info panics, no place remains taken, and the endpoint has not failed.
func TestInfoPanics(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newApp(t, says(200, `{"rooms":["a"]}`))
		panics := true
		c := a.newClient(webhook.Config{MaxConcurrent: 1, CircuitFailures: 1, Info: func(*ignis.Client) any {
			if panics {
				panic("no info")
			}
			return nil
		}})
		func() {
			defer func() {
				if p := recover(); fmt.Sprint(p) != "no info" {
					t.Errorf("recovered %v", p)
				}
			}()
			_, _ = c.ValidateRooms(t.Context(), ann(), []string{"a"})
		}()
		panics = false
		if got, err := c.ValidateRooms(t.Context(), ann(), []string{"a"}); err != nil || len(got) != 1 {
			t.Errorf("allowed %q, %v", got, err)
		}
	})
}
