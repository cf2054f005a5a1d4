package httpapi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/bustest"
	"github.com/ignis-go/ignis/httpapi"
)

// draining is a configuration of servers whose drain does not end within a test.
var draining = ignis.Config{DrainDelay: time.Hour}

// An instance drains itself, or another one. While it drains, it executes commands.
func TestDrain(t *testing.T) {
	buses := bustest.NewCluster(2)
	n, other := start(t, setup{bus: buses[0], server: draining}), start(t, setup{bus: buses[1], server: ignis.Config{DrainWindow: -1}})
	ann, bob := n.dial("ann"), other.dial("bob")
	n.post("/v1/drain", `{"server":"`+other.ID()+`"}`).ok(`{"localClients":0}`)
	bob.Expect("draining", nil)
	bob.ExpectClose(1001)
	n.post("/v1/drain", `{"server":"another"}`).ok(`{"localClients":0}`)
	if h := n.Health(); !h.Ready || h.Draining {
		t.Errorf("health %+v", h)
	}
	n.post("/v1/drain", `{}`, "Idempotency-Key", "a").ok(`{"localClients":1}`)
	n.post("/v1/drain", `{"server":"`+n.ID()+`"}`).ok(`{"localClients":1}`)
	if h := n.Health(); h.Ready || !h.Draining {
		t.Errorf("health %+v", h)
	}
	if a := n.get("/v1/state"); !strings.Contains(a.body, `"ready":false,"draining":true,`) {
		t.Errorf("state: %s", a.body)
	}
	n.post("/v1/join", `{"to":{"user":"ann"},"rooms":["a"]}`).ok(`{"localClients":1}`)
	if !n.InRoom(ann.ID(), "a") {
		t.Error("not in the room")
	}
}

func TestRefusedDrains(t *testing.T) {
	n := start(t, setup{server: draining, keys: []httpapi.Key{{ID: "some", Scopes: []httpapi.Scope{httpapi.ScopeManage}, Rooms: []string{"a"}}}})
	for _, body := range []string{`{"server":"another"}`, `{"server":""}`, `{"server":5}`, `{"server":"` + strings.Repeat("x", 65) + `"}`, `{"Server":"x"}`, `[]`} {
		n.post("/v1/drain", body).problem(422, "invalid")
	}
	for _, key := range []string{"publish", "read", "some"} {
		n.do(key, "POST", "/v1/drain", `{}`).problem(403, "forbidden")
	}
	bus := &refusing{Bus: bustest.NewCluster(1)[0]}
	bus.refuse(`"drain"`)
	m := start(t, setup{bus: bus, server: draining})
	if p := m.post("/v1/drain", `{"server":"another"}`).problem(503, "bus-unavailable"); p.LocalClients != nil || strings.Contains(p.Detail, "this instance") {
		t.Errorf("answered %+v", p)
	}
	m.post("/v1/drain", `{}`).ok(`{"localClients":0}`)
	if n.Health().Draining {
		t.Error("drains")
	}
}
