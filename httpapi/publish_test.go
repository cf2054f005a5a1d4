package httpapi_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/bustest"
	"github.com/ignis-go/ignis/httpapi"
	"github.com/ignis-go/ignis/wire"
)

// Each target reaches its clients, on both servers of a cluster.
func TestPublish(t *testing.T) {
	buses := bustest.NewCluster(2)
	a, b := start(t, setup{bus: buses[0]}), start(t, setup{bus: buses[1]})
	here, there, other := a.dial("ann"), b.dial("ann"), a.dial("bob")
	here.Join("lobby")
	there.Join("lobby")
	for name, row := range map[string]struct {
		to     string
		local  int
		remote int // how many messages there receives
	}{
		"a room":          {`{"room":"lobby"}`, 1, 1},
		"a user":          {`{"user":"ann"}`, 1, 1},
		"a client":        {`{"client":"` + there.ID() + `"}`, 0, 1},
		"everyone":        {`{"everyone":true}`, 2, 1},
		"several":         {`[{"room":"lobby"},{"user":"ann"},{"client":"` + here.ID() + `"}]`, 3, 2},
		"one in an array": {`[{"user":"ann"}]`, 1, 1},
		"nobody":          {`{"user":"cat"}`, 0, 0},
		"escaped":         {`{"\u0075ser":"\u0061nn"}`, 1, 1},
	} {
		body := `{"to":` + row.to + `,"event":"` + name + `","data":{"text":"hi <é\u2028"}}`
		a.post("/v1/publish", body).ok(fmt.Sprintf(`{"localRecipients":%d}`, row.local))
		for range row.remote {
			m := there.Expect(name, nil)
			if string(m.Data) != `{"text":"hi <é\u2028"}` {
				t.Errorf("%s: data %s", name, m.Data)
			}
		}
	}
	other.Expect("everyone", nil)
}

// The optional fields have their effects.
func TestPublishFields(t *testing.T) {
	n := start(t, setup{})
	ann, bob := n.dial("ann"), n.dial("bob")
	n.post("/v1/publish", `{"to":{"everyone":true},"event":"no data"}`).ok(`{"localRecipients":2}`)
	n.post("/v1/publish", `{"to":{"everyone":true},"event":"null","data":null}`).ok(`{"localRecipients":2}`)
	n.post("/v1/publish", `{"to":{"everyone":true},"event":"exclude","exclude":["`+bob.ID()+`"]}`).ok(`{"localRecipients":1}`)
	n.post("/v1/publish", ` {"from":{"id":"c","userId":"u"},"data":{"x":1},"key":"k","event":"from","to":[{"everyone":true}],"exclude":[]} `).ok(`{"localRecipients":2}`)
	if m := ann.Expect("no data", nil); m.Data != nil {
		t.Errorf("data %s", m.Data)
	}
	if m := ann.Expect("null", nil); string(m.Data) != "null" {
		t.Errorf("data %s", m.Data)
	}
	ann.Expect("exclude", nil)
	if m := ann.Expect("from", nil); m.From != (wire.Sender{ID: "c", UserID: "u"}) || string(m.Data) != `{"x":1,"from":{"id":"c","userId":"u"}}` {
		t.Errorf("received %+v", m)
	}
	bob.Expect("no data", nil)
	bob.Expect("null", nil)
	bob.Expect("from", nil)
}

// The key of a message arrives, so that a newer message replaces it for a client that is behind.
func TestPublishKey(t *testing.T) {
	buses := bustest.NewCluster(2)
	n := start(t, setup{bus: buses[0]})
	envelopes := make(chan string, 1)
	go func() {
		_ = buses[1].Run(t.Context(), func() { envelopes <- "" }, func(e ...[]byte) { envelopes <- string(e[0]) })
	}()
	<-envelopes
	n.post("/v1/publish", `{"to":{"room":"prices"},"event":"price","data":1.50,"key":"AAPL","exclude":["x","y"]}`).ok(`{"localRecipients":0}`)
	want := `{"serverId":"` + n.ID() + `","type":"room","target":"prices","event":"price","data":1.50,"exclude":["x","y"],"key":"AAPL"}`
	if got := <-envelopes; got != want {
		t.Errorf("published %s, want %s", got, want)
	}
}

// A batch is published in order and answered for each message.
func TestPublishBatch(t *testing.T) {
	n := start(t, setup{})
	ann, bob := n.dial("ann"), n.dial("bob")
	var messages []string
	for i := range 100 {
		messages = append(messages, fmt.Sprintf(`{"to":{"user":"ann"},"event":"n","data":%d}`, i))
	}
	messages = append(messages, `{"to":[{"user":"bob"},{"everyone":true},{"user":"cat"}],"event":"last"}`)
	a := n.post("/v1/publish/batch", `{"messages":[`+strings.Join(messages, ",")+`]}`)
	var got struct {
		LocalRecipients int
		Messages        []struct{ LocalRecipients int }
	}
	a.decode(&got)
	if got.LocalRecipients != 103 || len(got.Messages) != 101 || got.Messages[0].LocalRecipients != 1 || got.Messages[100].LocalRecipients != 3 {
		t.Errorf("answered %s", a.body)
	}
	for i := range 100 {
		var number int
		if ann.Expect("n", &number); number != i {
			t.Fatalf("received %d, want %d", number, i)
		}
	}
	ann.Expect("last", nil)
	bob.Expect("last", nil)
	bob.Expect("last", nil)
	if s := n.api.Stats(); s.Messages != 103 || s.Requests != 1 {
		t.Errorf("stats %+v", s)
	}
}

// An invalid request publishes nothing, and the problem names the invalid field.
func TestPublishInvalid(t *testing.T) {
	n := start(t, setup{api: httpapi.Config{MaxBatch: 10, MaxBody: 10_000}, server: ignis.Config{MaxMessage: 5000}})
	ann := n.dial("ann")
	const good = `{"to":{"everyone":true},"event":"good"}`
	message := func(fields string) string { return `{"to":{"user":"ann"},"event":"x"` + fields + `}` }
	for _, row := range []struct {
		message  string
		status   int
		kind     string
		location string // after the location of the message; "?": none
	}{
		{``, 400, "malformed", "?"},
		{`x`, 400, "malformed", "?"},
		{`{`, 400, "malformed", "?"},
		{message("") + `}`, 400, "malformed", "?"},
		{message(`,"data":"` + "\xff" + `"`), 400, "malformed", "?"},
		{message(`,"data":` + strings.Repeat("[", 600) + strings.Repeat("]", 600)), 400, "malformed", "?"},
		{message(`,"data":NaN`), 400, "malformed", "?"},
		{message(`,"data":1,`), 400, "malformed", "?"},
		{`5`, 422, "invalid", ""},
		{`null`, 422, "invalid", ""},
		{`"x"`, 422, "invalid", ""},
		{`[]`, 422, "invalid", ""},
		{`{}`, 422, "invalid", ".event"},
		{`{"event":"x"}`, 422, "invalid", ".to"},
		{`{"event":"x","to":null}`, 422, "invalid", ".to"},
		{`{"event":"x","to":"lobby"}`, 422, "invalid", ".to"},
		{`{"event":"x","to":{}}`, 422, "invalid", ".to"},
		{`{"event":"x","to":[]}`, 422, "invalid", ".to"},
		{`{"event":"x","to":[{}]}`, 422, "invalid", ".to"},
		{`{"event":"x","to":[[{"user":"ann"}]]}`, 422, "invalid", ".to"},
		{`{"event":"x","to":{"user":""}}`, 422, "invalid", ".to"},
		{`{"event":"x","to":{"user":5}}`, 422, "invalid", ".to"},
		{`{"event":"x","to":{"User":"ann"}}`, 422, "invalid", ".to"},
		{`{"event":"x","to":{"user":"ann","room":"a"}}`, 422, "invalid", ".to"},
		{`{"event":"x","to":{"user":"ann","user":"ann"}}`, 422, "invalid", ".to"},
		{`{"event":"x","to":{"user":"ann","x":1}}`, 422, "invalid", ".to"},
		{`{"event":"x","to":{"everyone":false}}`, 422, "invalid", ".to"},
		{`{"event":"x","to":{"everyone":1}}`, 422, "invalid", ".to"},
		{`{"event":"x","to":{"everyone":true,"user":"ann"}}`, 422, "invalid", ".to"},
		{`{"event":"x","to":{"user":"ann","everyone":true}}`, 422, "invalid", ".to"},
		{`{"event":"","to":{"user":"ann"}}`, 422, "invalid", ".event"},
		{`{"event":5,"to":{"user":"ann"}}`, 422, "invalid", ".event"},
		{`{"event":"connected","to":{"user":"ann"}}`, 422, "invalid", ".event"},
		{`{"event":"encrypt\u0065d","to":{"user":"ann"}}`, 422, "invalid", ".event"},
		{`{"Event":"x","to":{"user":"ann"}}`, 422, "invalid", ""},
		{message(`,"event":"y"`), 422, "invalid", ".event"},
		{message(`,"data":1,"data":2`), 422, "invalid", ".data"},
		{message(`,"unknown":1`), 422, "invalid", ""},
		{message(`,"key":5`), 422, "invalid", ".key"},
		{message(`,"key":"` + strings.Repeat("k", 257) + `"`), 422, "invalid", ""},
		{message(`,"exclude":["a"]`), 422, "invalid", ".exclude"},
		{`{"event":"x","to":[{"everyone":true},{"user":"ann"}],"exclude":["a"]}`, 422, "invalid", ".exclude"},
		{message(`,"exclude":"a"`), 422, "invalid", ".exclude"},
		{`{"event":"x","to":{"everyone":true},"exclude":[5]}`, 422, "invalid", ".exclude"},
		{`{"event":"x","to":{"everyone":true},"exclude":[` + strings.Repeat(`"a",`, 1000) + `"a"]}`, 422, "invalid", ".exclude"},
		{message(`,"data":` + strings.Repeat("[", 513) + strings.Repeat("]", 513)), 400, "malformed", "?"},
		{message(`,"from":{}`), 422, "invalid", ".from"},
		{message(`,"from":"c"`), 422, "invalid", ".from"},
		{message(`,"from":{"userId":"u"}`), 422, "invalid", ".from"},
		{message(`,"from":{"id":5}`), 422, "invalid", ".from"},
		{message(`,"from":{"id":"c","id":"d"}`), 422, "invalid", ".from"},
		{message(`,"from":{"id":"c","userId":"","userId":"u"}`), 422, "invalid", ".from"},
		{message(`,"from":{"id":"c","x":"y"}`), 422, "invalid", ".from"},
		{message(`,"data":"` + strings.Repeat("x", 5000) + `"`), 413, "too-large", ""},
		{`{"event":"x","to":[` + strings.Repeat(`{"user":"ann"},`, 10) + `{"user":"ann"}]}`, 413, "too-large", ""},
	} {
		check := func(path, body, where string) {
			t.Helper()
			p := n.post(path, body).problem(row.status, row.kind)
			if row.location == "?" {
				if len(p.Errors) > 0 {
					t.Errorf("%.200s: errors %+v", body, p.Errors)
				}
				return
			}
			if len(p.Errors) != 1 || p.Errors[0].Location != where+row.location || p.Errors[0].Message == "" {
				t.Errorf("%.200s: errors %+v, want one at %s", body, p.Errors, where+row.location)
			}
		}
		check("/v1/publish", row.message, "body")
		check("/v1/publish/batch", `{"messages":[`+good+`,`+row.message+`]}`, "body.messages[1]")
	}
	for body, location := range map[string]string{
		`{}`: ".messages", `{"messages":[]}`: ".messages", `{"messages":{}}`: ".messages", `{"messages":5}`: ".messages", `{"messages":null}`: ".messages",
		`{"Messages":[` + good + `]}`: "", `{"messages":[` + good + `],"x":1}`: "", `{"messages":[` + good + `],"messages":[` + good + `]}`: ".messages",
		`{"x":[` + good + `]}`: "", `{"messages":[` + good + `],"messages":5}`: ".messages",
	} {
		if p := n.post("/v1/publish/batch", body).problem(422, "invalid"); len(p.Errors) != 1 || p.Errors[0].Location != "body"+location {
			t.Errorf("%s: errors %+v, want one at body%s", body, p.Errors, location)
		}
	}
	n.post("/v1/publish/batch", `{"messages":[`+strings.Repeat(good+",", 10)+good+`]}`).problem(413, "too-large")
	for _, body := range []string{`[` + good + `]`, `5`, `[`} {
		n.post("/v1/publish/batch", body)
	}
	n.post("/v1/publish", good).ok(`{"localRecipients":1}`)
	ann.Expect("good", nil) // and nothing before
	if s := n.api.Stats(); s.Messages != 1 || s.Invalid == 0 {
		t.Errorf("stats %+v", s)
	}
}

// A problem does not repeat what the client has sent beyond a few characters.
func TestProblemsAreShort(t *testing.T) {
	n := start(t, setup{})
	long := strings.Repeat("x", 50_000)
	for _, body := range []string{
		`{"to":{"user":"ann"},"event":"x","` + long + `":1}`, `{"to":{"user":"` + long + `","x":1},"event":"x"}`, long,
		`{"to":{"user":"ann"},"event":"x","data":"` + long + `"`, `{"to":{"user":"ann"},"event":"x","key":"` + long + `"}`,
	} {
		for _, path := range []string{"/v1/publish", "/v1/publish/batch", "/v1/join", "/v1/revoke", "/v1/disconnect"} {
			if a := n.post(path, body); a.status < 400 || len(a.body) > 1000 {
				t.Errorf("%s: status %d, %d bytes: %.300s", path, a.status, len(a.body), a.body)
			}
		}
	}
}

// Over a bus that refuses messages, the problem says what was done.
func TestPublishWithoutTheBus(t *testing.T) {
	bus := &refusing{Bus: bustest.NewCluster(1)[0]}
	n := start(t, setup{bus: bus})
	ann := n.dial("ann")
	bus.refuse(`"event":"b"`)
	p := n.post("/v1/publish/batch", `{"messages":[{"to":{"user":"ann"},"event":"a"},{"to":[{"user":"ann"},{"user":"cat"}],"event":"b"},{"to":{"user":"ann"},"event":"c"}]}`).problem(503, "bus-unavailable")
	text, _ := json.Marshal(p.Messages)
	if want := `[{"LocalRecipients":1,"HandedToBus":true},{"LocalRecipients":1,"HandedToBus":false},{"LocalRecipients":1,"HandedToBus":true}]`; string(text) != want {
		t.Errorf("messages %s, want %s", text, want)
	}
	if p.LocalRecipients == nil || *p.LocalRecipients != 3 {
		t.Errorf("local recipients %v", p.LocalRecipients)
	}
	for _, event := range []string{"a", "b", "c"} {
		ann.Expect(event, nil)
	}
	a := n.post("/v1/publish", `{"to":{"user":"ann"},"event":"b"}`)
	p = a.problem(503, "bus-unavailable")
	if a.header.Get("Retry-After") != "1" || *p.LocalRecipients != 1 || len(p.Messages) != 1 || strings.Contains(a.body, "no luck") {
		t.Errorf("answered %v %s", a.header, a.body)
	}
	if s := n.api.Stats(); s.BusFailures != 2 || !strings.Contains(n.log.String(), "no luck") {
		t.Errorf("stats %+v\n%s", s, n.log)
	}
}

// A server that does not run yet, or is shut down, publishes nothing.
func TestServerDoesNotRun(t *testing.T) {
	n := start(t, setup{})
	if err := n.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.post("/v1/publish", `{"to":{"user":"ann"},"event":"b"}`).problem(503, "not-running")
	n.post("/v1/disconnect", `{"to":{"user":"ann"}}`).problem(503, "not-running")
	n.post("/v1/revoke", `{"user":"ann","until":"2100-01-01T00:00:00Z"}`).problem(503, "not-running")
	n.get("/v1/state").decode(new(any))
}
