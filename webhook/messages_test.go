package webhook_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/webhook"
	"github.com/ignis-go/ignis/wire"
)

// The request for a message, and what each answer means for the client.
func TestOnMessage(t *testing.T) {
	forbidden := &ignis.Error{Code: wire.CodeForbidden, Message: "Not allowed"}
	for name, row := range map[string]struct {
		status int
		body   string
		reply  string       // "": none
		refuse *ignis.Error // not nil: refused
		fails  string       // not "": failed
		cause  webhook.Cause
	}{
		"no body":           {status: 204},
		"blank":             {status: 200, body: " \n"},
		"an empty object":   {status: 200, body: `{}`},
		"an empty array":    {status: 200, body: `[ ]`},
		"null":              {status: 200, body: `{"reply":null}`},
		"a reply":           {status: 200, body: `{"reply":{"a":[1]}}`, reply: `{"a":[1]}`},
		"false":             {status: 200, body: `{"reply":false}`, reply: `false`},
		"refuse":            {status: 200, body: `{"refuse":{"code":"rate_limited","message":"Slow down."}}`, refuse: &ignis.Error{Code: wire.CodeRateLimited, Message: "Slow down."}},
		"refuse with a 409": {status: 409, body: `{"refuse":{"message":"Closed."}}`, refuse: &ignis.Error{Code: wire.CodeForbidden, Message: "Closed."}},
		"401":               {status: 401, refuse: forbidden},
		"403":               {status: 403, body: "x", refuse: forbidden},
		"413":               {status: 413, refuse: &ignis.Error{Code: wire.CodeTooLarge, Message: "Too large"}},
		"422":               {status: 422, refuse: &ignis.Error{Code: wire.CodeInvalid, Message: "Invalid"}},
		"429":               {status: 429, refuse: &ignis.Error{Code: wire.CodeRateLimited, Message: "Too many messages"}},
		"404":               {status: 404, fails: "unexpected status: 404", cause: webhook.CauseStatus},
		"500 with refuse":   {status: 500, body: `{"refuse":{}}`, fails: "unexpected status: 500", cause: webhook.CauseStatus},
		"not JSON":          {status: 200, body: `OK`, fails: "malformed answer: it is not a JSON object", cause: webhook.CauseMalformed},
		"an array":          {status: 200, body: `[1]`, fails: "malformed answer: it is not a JSON object", cause: webhook.CauseMalformed},
		"another name":      {status: 200, body: `{"data":1}`, fails: `malformed answer: it contains the unknown field "data"; known are reply, refuse`, cause: webhook.CauseMalformed},
		"a bad refusal":     {status: 200, body: `{"refuse":true}`, fails: "malformed answer: refuse: it is not a JSON object", cause: webhook.CauseMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				a := newApp(t, says(row.status, row.body))
				c := a.newClient(webhook.Config{})
				reply, err := c.OnMessage(t.Context(), ann(), message("answer", `{"token":"`+private+`"}`))
				s := c.Stats().Messages
				raw, _ := reply.(json.RawMessage)
				if string(raw) != row.reply || (reply == nil) != (row.reply == "") {
					t.Errorf("the reply is %v", reply)
				}
				switch {
				case row.refuse != nil:
					if e, _ := errors.AsType[*ignis.Error](err); e == nil || *e != *row.refuse || s.Refused != 1 {
						t.Errorf("got %v, want %v; counted %+v", err, row.refuse, s)
					}
				case row.fails != "":
					unusable(t, err, "webhook: message: ", row.fails)
					if s.Failed[row.cause] != 1 || !a.log.Has(`webhook: message not handled`) || !a.log.Has(string(row.cause)) {
						t.Errorf("counted %+v, logged %v", s, a.log)
					}
				case err != nil || s.Accepted != 1:
					t.Errorf("got %v, counted %+v", err, s)
				}
				if row.fails == "" && a.log.String() != "" {
					t.Errorf("logged %v", a.log)
				}
				want := `"grants":{"teams":["red"]}},"event":"answer","room":"quiz-1","messageId":"7","data":{"token":"s3cr3t"}}`
				if r := a.take(); len(r) != 1 || r[0].Type != "message" || !strings.HasSuffix(string(r[0].Data), want) {
					t.Errorf("asked %+v", r)
				}
			})
		})
	}
}
