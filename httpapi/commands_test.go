package httpapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/bustest"
	"github.com/ignis-go/ignis/ignistest"
	"github.com/ignis-go/ignis/internal/redistest"
)

// inRooms waits until a client is in these rooms, besides those of every client.
func (n *node) inRooms(c *ignistest.Client, want ...string) {
	n.t.Helper()
	redistest.Wait(n.t, fmt.Sprintf("the client to be in %q", want), func() bool {
		info, ok := n.Client(c.ID())
		return ok && strings.Join(info.Rooms[3:], " ") == strings.Join(want, " ")
	})
}

// Commands affect the clients of every instance.
func TestCommands(t *testing.T) {
	buses := bustest.NewCluster(2)
	a, b := start(t, setup{bus: buses[0]}), start(t, setup{bus: buses[1]})
	here, there, bob := a.dial("ann"), b.dial("ann"), b.dial("bob")
	a.post("/v1/join", `{"to":{"user":"ann"},"rooms":["red","blue"]}`).ok(`{"localClients":1}`)
	a.inRooms(here, "red", "blue")
	b.inRooms(there, "red", "blue")
	a.post("/v1/join", `{"to":{"client":"`+bob.ID()+`"},"rooms":["green"]}`).ok(`{"localClients":0}`)
	b.inRooms(bob, "green")
	a.post("/v1/leave", `{"to":{"user":"ann"},"rooms":["red"]}`).ok(`{"localClients":1}`)
	a.inRooms(here, "blue")
	b.inRooms(there, "blue")
	a.post("/v1/leave", `{"to":{"room":"blue"},"rooms":["blue"]}`).ok(`{"localClients":1}`)
	a.inRooms(here)
	b.inRooms(there)
	a.post("/v1/join", `{"to":{"everyone":true},"rooms":["all"]}`).ok(`{"localClients":1}`)
	b.inRooms(bob, "green", "all")
	a.post("/v1/disconnect", `{"to":{"client":"`+there.ID()+`"},"code":4100,"reason":"Go"}`).ok(`{"localClients":0}`)
	there.ExpectClose(4100)
	a.post("/v1/disconnect", `{"to":{"user":"ann"}}`).ok(`{"localClients":1}`)
	here.ExpectClose(4006)
	a.post("/v1/revoke", `{"user":"bob","until":"2100-01-01T00:00:00Z"}`).ok(`{"localClients":0}`)
	bob.ExpectClose(4006)
	if log := a.log.String(); !strings.Contains(log, "operation=disconnect key=all status=200") {
		t.Errorf("the log does not say who has disconnected a client: %s", log)
	}
}

// Each kind of revocation closes the clients that it concerns.
func TestRevoke(t *testing.T) {
	n := start(t, setup{})
	for body, count := range map[string]int{
		`{"user":"ann","until":"2100-01-01T00:00:00Z"}`:                                            1,
		`{"user":"ann","issuedBefore":"2099-01-01T00:00:00+01:00","until":"2100-01-01T00:00:00Z"}`: 1,
		`{"user":"ann","issuedBefore":"2001-01-01T00:00:00.123Z","until":"2100-01-01T00:00:00Z"}`:  0,
		`{"everyone":true,"issuedBefore":"2001-01-01T00:00:00Z","until":"2100-01-01T00:00:00Z"}`:   0,
		`{"token":"t","until":"2100-01-01T00:00:00Z"}`:                                             0,
		`{"client":"x","until":"2100-01-01T00:00:00Z"}`:                                            0,
		`{"everyone":true,"issuedBefore":"2099-06-01T00:00:00Z","until":"2100-01-01T00:00:00Z"}`:   2,
		`{"user":"cat","until":"2100-01-01T00:00:00.5Z"}`:                                          0,
	} {
		m := start(t, setup{})
		ann, bob := m.dial("ann"), m.dial("bob")
		m.post("/v1/revoke", body).ok(fmt.Sprintf(`{"localClients":%d}`, count))
		if count > 0 {
			ann.ExpectClose(4006)
		}
		if count > 1 {
			bob.ExpectClose(4006)
		}
		if s := m.Stats(); s.Revoked != 1 {
			t.Errorf("%s: stats %+v", body, s)
		}
	}
	for body, location := range map[string]string{
		`{}`: "body", `{"user":"ann"}`: "body", `{"until":"2100-01-01T00:00:00Z"}`: "body",
		`{"user":"ann","token":"t","until":"2100-01-01T00:00:00Z"}`:                               "body",
		`{"everyone":true,"until":"2100-01-01T00:00:00Z"}`:                                        "body",
		`{"everyone":false,"issuedBefore":"2020-01-01T00:00:00Z","until":"2100-01-01T00:00:00Z"}`: "body.everyone",
		`{"token":"t","issuedBefore":"2020-01-01T00:00:00Z","until":"2100-01-01T00:00:00Z"}`:      "body",
		`{"user":"ann","until":"2000-01-01T00:00:00Z"}`:                                           "body.until",
		`{"user":"ann","until":"tomorrow"}`:                                                       "body.until",
		`{"user":"","until":"2100-01-01T00:00:00Z"}`:                                              "body.user",
		`{"user":"` + strings.Repeat("x", 1025) + `","until":"2100-01-01T00:00:00Z"}`:             "body.user",
		`{"User":"ann","until":"2100-01-01T00:00:00Z"}`:                                           "body",
		`{"user":"ann","user":"bob","until":"2100-01-01T00:00:00Z"}`:                              "body",
	} {
		if p := n.post("/v1/revoke", body).problem(422, "invalid"); len(p.Errors) == 0 || p.Errors[0].Location != location {
			t.Errorf("%.100s: %+v, want an error at %s", body, p, location)
		}
	}
}

// An invalid command is refused and has no effect.
func TestInvalidCommands(t *testing.T) {
	n := start(t, setup{})
	ann := n.dial("ann")
	many := `["` + strings.Repeat("x", 16<<10) + `"]`
	for _, row := range []struct{ path, body string }{
		{"disconnect", `{}`},
		{"disconnect", `{"to":{}}`},
		{"disconnect", `{"to":"ann"}`},
		{"disconnect", `{"to":{"user":""}}`},
		{"disconnect", `{"to":{"user":5}}`},
		{"disconnect", `{"to":{"user":"ann","room":"a"}}`},
		{"disconnect", `{"to":[{"user":"ann"}]}`},
		{"disconnect", `{"to":{"everyone":false}}`},
		{"disconnect", `{"to":{"user":"ann"},"code":1001}`},
		{"disconnect", `{"to":{"user":"ann"},"code":-1}`},
		{"disconnect", `{"to":{"user":"ann"},"code":5000}`},
		{"disconnect", `{"to":{"user":"ann"},"code":69536}`},
		{"disconnect", `{"to":{"user":"ann"},"code":"4006"}`},
		{"disconnect", `{"to":{"user":"ann"},"code":4006.5}`},
		{"disconnect", `{"to":{"user":"ann"},"reason":"` + strings.Repeat("x", 124) + `"}`},
		{"disconnect", `{"to":{"user":"ann"},"reason":"` + strings.Repeat("é", 62) + `"}`},
		{"disconnect", `{"to":{"user":"ann"},"reason":5}`},
		{"disconnect", `{"to":{"user":"ann"},"x":1}`},
		{"disconnect", `{"to":{"User":"ann"}}`},
		{"disconnect", `{"to":{"user":"bob"},"to":{"user":"ann"}}`},
		{"disconnect", `{"to":{"user":"bob","user":"ann"}}`},
		{"disconnect", `{"to":{"user":"ann"},"TO":{"user":"bob"}}`},
		{"join", `{"to":{"user":"ann"}}`},
		{"join", `{"to":{"user":"ann"},"rooms":[]}`},
		{"join", `{"to":{"user":"ann"},"rooms":"a"}`},
		{"join", `{"to":{"user":"ann"},"rooms":[5]}`},
		{"join", `{"to":{"user":"ann"},"rooms":[""]}`},
		{"join", `{"to":{"user":"ann"},"rooms":null}`},
		{"join", `{"rooms":["a"]}`},
		{"join", `{"to":{"user":"ann"},"rooms":` + many + `}`},
		{"leave", `{"to":{"user":"ann"},"rooms":["a",null]}`},
		{"leave", `{"to":null,"rooms":["a"]}`},
		{"leave", `null`},
		{"leave", `[]`},
		{"leave", `5`},
	} {
		n.post("/v1/"+row.path, row.body).problem(422, "invalid")
	}
	for _, body := range []string{``, `{`, `{"to":{"user":"ann"}`, "{\"to\":{\"user\":\"\xff\"}}", `{"to":{"user":"ann"}}x`, `{"to":` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + `}`} {
		for _, path := range []string{"disconnect", "join", "leave", "revoke"} {
			n.post("/v1/"+path, body).problem(400, "malformed")
		}
	}
	n.inRooms(ann)
	n.post("/v1/publish", hello).ok(`{"localRecipients":1}`)
	ann.Expect("hello", nil) // it is still connected
}

// If the bus fails, the problem says how many clients were affected here.
func TestCommandsWithoutTheBus(t *testing.T) {
	failing := &refusing{Bus: bustest.NewCluster(1)[0]}
	failing.refuse("version")
	for kind, bus := range map[string]ignis.Bus{"bus-unavailable": failing, "no-commands": simple{bustest.NewCluster(1)[0]}} {
		n := start(t, setup{bus: bus})
		ann := n.dial("ann")
		status := map[string]int{"bus-unavailable": 503, "no-commands": 501}[kind]
		for _, row := range []struct{ path, body string }{
			{"join", `{"to":{"user":"ann"},"rooms":["a"]}`},
			{"leave", `{"to":{"user":"ann"},"rooms":["b"]}`},
			{"revoke", `{"user":"ann","until":"2100-01-01T00:00:00Z"}`},
		} {
			a := n.post("/v1/"+row.path, row.body)
			if p := a.problem(status, kind); p.LocalClients == nil || *p.LocalClients != 1 || strings.Contains(a.body, "no luck") {
				t.Errorf("%s: %s", row.path, a.body)
			}
		}
		ann.ExpectClose(4006)
	}
}

// A revocation that cannot be remembered is a problem, but closes clients.
func TestTooManyRevocations(t *testing.T) {
	n := start(t, setup{server: ignis.Config{MaxRevocations: 1}})
	ann := n.dial("ann")
	n.post("/v1/revoke", `{"token":"t","until":"2100-01-01T00:00:00Z"}`).ok(`{"localClients":0}`)
	p := n.post("/v1/revoke", `{"user":"ann","until":"2100-01-01T00:00:00Z"}`).problem(503, "too-many-revocations")
	if p.LocalClients == nil || *p.LocalClients != 1 {
		t.Errorf("problem %+v", p)
	}
	ann.ExpectClose(4006)
}
