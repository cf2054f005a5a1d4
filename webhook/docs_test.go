package webhook_test

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/webhook"
	"github.com/ignis-go/ignis/wire"
)

// documentedClient is the client in docs/webhooks.md.
func documentedClient() *ignis.Client {
	return &ignis.Client{
		ID: "0190b5d2-6f0e-7c31-9a54-3b1a9c0e8f21", UserID: "ann", RemoteAddr: "192.0.2.7:51034",
		ConnectedAt: time.Date(2026, 1, 31, 9, 5, 7, 0, time.UTC),
		TokenID:     "7c9e6679",
		Metadata: &webhook.Metadata{
			Info:   json.RawMessage(`{"name":"Ann"}`),
			Grants: map[string]json.RawMessage{"teams": json.RawMessage(`["red","blue"]`)},
		},
	}
}

// documentedMessage is the message in docs/webhooks.md, with an ID of the client in sdk/ts.
func documentedMessage() wire.Message {
	m := message("answer", `{"choice":"b"}`)
	m.ID = "hn3cs26i84l-2"
	return m
}

// The requests in docs/webhooks.md are those that a client sends.
func TestDocumentedRequests(t *testing.T) {
	documented := make(map[string]string)
	for _, b := range blocks(t, "request") {
		documented[b.name] = b.text
	}
	bubble(t, func(t *testing.T) {
		at(time.Date(2026, 1, 31, 9, 5, 7, 0, time.UTC).Unix())
		a := newApp(t, says(200, `{}`))
		c := a.newClient(webhook.Config{Source: "VTRNSKQ7JY6PFVRO5RHWKTXOKA"})
		r, _ := newRequest("session=8f14e45f")
		cookies := a.idleClient(webhook.Config{Source: "VTRNSKQ7JY6PFVRO5RHWKTXOKA", Headers: []string{"Cookie"}})
		_, _ = cookies.Authenticate(cookies.WithHeaders(t.Context(), r), ignis.Credentials{
			ClientID: documentedClient().ID, RemoteAddr: documentedClient().RemoteAddr, Software: "shop/1.4",
			Raw: []byte(`{"type":"Bearer","token":"token-of-ann"}`),
		})
		_, _ = c.ValidateRooms(t.Context(), documentedClient(), []string{"quiz-1", "quiz-2"})
		_, _ = c.OnMessage(t.Context(), documentedClient(), documentedMessage())
		c.OnConnect(t.Context(), documentedClient())
		synctest.Wait()
		seen := 0
		for _, got := range a.take() {
			sent, err := json.Marshal(struct {
				Type      string          `json:"type"`
				Timestamp string          `json:"timestamp"`
				Source    string          `json:"source"`
				Data      json.RawMessage `json:"data"`
			}{got.Type, got.Timestamp, got.Source, got.Data})
			if err != nil {
				t.Fatal(err)
			}
			text := regexp.MustCompile(`"evt_\w+"`).ReplaceAllString(string(sent), `"evt_6TXJ2DWSQ4RLCUFM7GNYAZ5OVB"`)
			if !sameJSON(t, []byte(text), []byte(documented[got.Type])) {
				t.Errorf("docs/webhooks.md differs from the request %s:\n%s", got.Type, text)
			}
			seen++
		}
		if seen != len(documented) {
			t.Errorf("%d requests were sent, and %d are documented", seen, len(documented))
		}
	})
}

// The events in docs/webhooks.md have all fields that the events of a client have.
func TestDocumentedEvents(t *testing.T) {
	var documented []json.RawMessage
	if err := json.Unmarshal([]byte(blocks(t, "events")[0].text), &documented); err != nil {
		t.Fatal(err)
	}
	bubble(t, func(t *testing.T) {
		a := newApp(t, says(200, ``))
		c := a.newClient(webhook.Config{})
		who := documentedClient()
		c.OnJoin(t.Context(), who, "quiz-1")
		c.OnLeave(t.Context(), who, "quiz-1", ignis.LeftAsked)
		c.OnLeave(t.Context(), who, "quiz-1", ignis.LeftDisconnected)
		_, _ = c.TellMessage(t.Context(), who, documentedMessage())
		c.OnDisconnect(t.Context(), who, ignis.Disconnect{Cause: ignis.CauseExpired, Code: 4005, Reason: "Session expired", Rooms: []string{"quiz-1"}})
		synctest.Wait()
		var got []string
		common := regexp.MustCompile(`^\{"id":"[^"]*",("type":"\w+"),"timestamp":"[^"]*","client":\{.*?\}\}`)
		for _, r := range a.take() {
			var d struct{ Events []json.RawMessage }
			if err := json.Unmarshal(r.Data, &d); err != nil {
				t.Fatal(err)
			}
			for _, e := range d.Events {
				got = append(got, common.ReplaceAllString(string(e), `{$1`))
			}
		}
		for i, want := range documented {
			if i >= len(got) || compact(t, want) != got[i] {
				t.Errorf("docs/webhooks.md has %s, and the events are %q", want, got)
			}
		}
		if len(got) != len(documented) {
			t.Errorf("%d events, %d documented", len(got), len(documented))
		}
	})
}

// The answers in docs/webhooks.md are understood.
func TestDocumentedAnswers(t *testing.T) {
	for _, b := range blocks(t, "answer") {
		var err error
		var result any
		switch b.name {
		case "authenticate":
			result, err = webhook.ReadIdentity(200, []byte(b.text))
		case "join":
			result, err = webhook.ReadRooms(200, []byte(b.text), []string{"quiz-1", "quiz-2"})
		case "message":
			result, err = webhook.ReadReply(200, []byte(b.text))
		}
		if refuses := strings.Contains(b.text, `"refuse"`); refuses != (err != nil) {
			t.Errorf("%s: %v, %v", b.text, result, err)
		} else if refuses {
			if e := err.Error(); strings.Contains(e, "malformed") {
				t.Error(e)
			}
		}
	}
}

// tableRows returns the cells of the rows of tables whose first cell is code.
func tableRows(t *testing.T) map[string][]string {
	rows := make(map[string][]string)
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|(.*)\\|$").FindAllStringSubmatch(document(t), -1) {
		cells := strings.Split(m[2], "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows[m[1]] = cells
	}
	return rows
}

// The tables of limits and causes in docs/webhooks.md agree with the code.
func TestDocumentedTables(t *testing.T) {
	rows := tableRows(t)
	config := sourceOf(t, "config.go")
	n := 0
	for field := range reflect.TypeFor[webhook.Config]().Fields() {
		if kind := field.Type.Kind(); kind != reflect.Int && kind != reflect.Int64 {
			continue
		}
		m := regexp.MustCompile(`(?s)// ` + field.Name + ` is (?:[^\n]*\n\t// )*?(?:[^\n]*[ .])?0: ([^\n]*)\.\n\t` + field.Name + ` `).FindStringSubmatch(config)
		if m == nil {
			t.Errorf("the comment on Config.%s does not say what 0 means", field.Name)
			continue
		}
		n++
		if row := rows[field.Name]; row == nil || row[0] != m[1] {
			t.Errorf("docs/webhooks.md says %q about %s, whose default is %s", row, field.Name, m[1])
		}
	}
	if n < 14 {
		t.Errorf("only %d limits were found", n)
	}
	for file, pattern := range map[string]string{"causes.go": `\bCause = "([^"]+)"`, "stats.go": `\bLossCause = "([^"]+)"`} {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(sourceOf(t, file), -1) {
			if rows[m[1]] == nil {
				t.Errorf("docs/webhooks.md has no row for the cause %q", m[1])
			}
		}
	}
}

func sourceOf(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The fields of answers in the table of docs/webhooks.md are those that are known.
func TestDocumentedFields(t *testing.T) {
	_, err := webhook.ReadIdentity(200, []byte(`{"?":1}`))
	_, list, ok := strings.Cut(fmt.Sprint(err), "known are ")
	if !ok {
		t.Fatal(err)
	}
	text := document(t)
	section := text[strings.Index(text, "\n### authenticate"):strings.Index(text, "\n### join")]
	for name := range strings.SplitSeq(list, ", ") {
		if !strings.Contains(section, "`"+name+"`") {
			t.Errorf("docs/webhooks.md does not describe the field %s", name)
		}
	}
	for _, name := range []string{"user", "anonymous", "expires", "grants", "info", "tokenId", "issuedAt", "refuse"} {
		if !slices.Contains(strings.Split(list, ", "), name) {
			t.Errorf("%s is not known", name)
		}
	}
}
