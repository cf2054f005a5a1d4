package httpapi_test

import "testing"

func TestBasic(t *testing.T) {
	n := start(t, setup{})
	ann := n.dial("ann")
	ann.Join("lobby")
	n.post("/v1/publish", `{"to":{"room":"lobby"},"event":"x","data":{"a":1}}`).ok(`{"localRecipients":1}`)
	ann.Expect("x", nil)
	n.post("/v1/publish/batch", `{"messages":[{"to":{"room":"lobby"},"event":"x","data":{"a":1}},{"to":[{"user":"ann"},{"everyone":true}],"event":"y"}]}`).ok(`{"localRecipients":3,"messages":[{"localRecipients":1},{"localRecipients":2}]}`)
	for _, path := range []string{"/v1/clients", "/v1/clients/" + ann.ID(), "/v1/users?limit=1", "/v1/rooms?view=cluster", "/v1/counts", "/v1/state", "/v1/rooms?limit=x", "/v1/rooms?limits=5", "/openapi.json", "/openapi.yaml"} {
		a := n.get(path)
		t.Log(path, a.status, a.header, a.body)
	}
	for _, b := range []string{`{"to":{"user":"ann"},"rooms":["a"]}`, `{`, `{"to":{}}`, `{"to":{"user":"ann","room":"x"},"rooms":[]}`, `{"To":{"user":"ann"},"rooms":["a"]}`} {
		a := n.post("/v1/join", b)
		t.Log(b, a.status, a.header, a.body)
	}
	a := n.post("/v1/disconnect", `{"to":{"user":"ann"}}`)
	t.Log(a.status, a.header, a.body)
}
