package interop

import (
	"testing"

	"github.com/ignis-go/ignis/internal/redistest"
)

// TestForeignEnvelopes publishes what no server or emitter should, and some of
// what they may.
func TestForeignEnvelopes(t *testing.T) {
	for _, kind := range []string{kindReference, kindIgnis} {
		t.Run(kind, func(t *testing.T) {
			redis := redistest.Start(t)
			s := startServer(t, kind, redis, settings{})
			ann, bob := dial(t, s).login("ann", "lobby"), dial(t, s).login("bob")
			p := &player{client: ann, peer: bob.id, room: "<id>"}
			for _, row := range foreignEnvelopes {
				redis.Do("PUBLISH", row.channel, p.fill(row.payload))
				redis.Do("PUBLISH", "ws:broadcast", `{"serverId":"emitter","type":"broadcast","event":"end"}`)
				want := row.want
				if kind == kindReference && row.decided != nil {
					want = row.decided.reference
				}
				for _, c := range []*client{ann, bob} {
					var got []string
					for line := c.next(); line != `{"event":"end"}`; line = c.next() {
						got = append(got, line)
					}
					if c == bob && kind == kind {
						continue
					}
					t.Logf("%s %s %v want %v", kind, row.payload, got, want)
				}
			}
		})
	}
}

var foreignEnvelopes = []struct {
	channel, payload string
	want             []string // that ann gets
	decided          *decision
}{
	{"ws:broadcast", `x`, nil, nil},
	{"ws:broadcast", ``, nil, nil},
	{"ws:broadcast", `null`, nil, nil},
	{"ws:broadcast", `[]`, nil, nil},
	{"ws:broadcast", `5`, nil, nil},
	{"ws:broadcast", `{}`, nil, nil},
	{"ws:broadcast", `{"type":"broadcast","event":"e","data":1}`, nil, nil},
	{"ws:broadcast", `{"serverId":5,"type":"broadcast","event":"e","data":1}`, nil, nil},
	{"ws:broadcast", `{"serverId":"","type":"broadcast","event":"e","data":1}`, nil, nil},
	{"ws:broadcast", `{"serverId":"x","type":"broadcast","data":1}`, nil, nil},
	{"ws:broadcast", `{"serverId":"x","type":"broadcast","event":"","data":1}`, nil, nil},
	{"ws:broadcast", `{"serverId":"x","type":"broadcast","event":5,"data":1}`, nil, nil},
	{"ws:broadcast", `{"serverId":"x","type":"other","event":"e","data":1}`, nil, nil},
	{"ws:broadcast", `{"serverId":"x","event":"e","data":1}`, nil, nil},
	{"ws:broadcast", `{"serverId":"x","type":5,"event":"e","data":1}`, nil, nil},
	{"ws:broadcast", `{"serverId":"x","type":"room","event":"e","data":1}`, nil, nil},
	{"ws:broadcast", `{"serverId":"x","type":"room","target":"","event":"e","data":1}`, nil, nil},
	{"ws:broadcast", `{"serverId":"x","type":"room","target":5,"event":"e","data":1}`, nil, nil},
	{"ws:broadcast", `{"serverId":"x","type":"client","event":"e","data":1}`, nil, nil},
	{"ws:broadcast", `{"serverId":"x","type":"user","event":"e","data":1}`, nil, nil},
	{"ws:broadcast", `{"serverId":"x","type":"broadcast","target":"lobby","event":"e","data":1}`, lines(`{"event":"e","data":1}`), nil},
	{"ws:broadcast", `{"serverId":"x","type":"broadcast","target":5,"event":"e","data":1}`, lines(`{"event":"e","data":1}`), nil},
	{"ws:room:other", `{"serverId":"x","type":"room","target":"lobby","event":"e","data":1}`, lines(`{"event":"e","data":1}`), nil},
	{"ws:client:x", `{"serverId":"x","type":"user","target":"ann","event":"e","data":1}`, lines(`{"event":"e","data":1}`), nil},
	{"ws:user:x", `{"serverId":"x","type":"client","target":"<id>","event":"e","data":1}`, lines(`{"event":"e","data":1}`), nil},
	{"ws:other", `{"serverId":"x","type":"broadcast","event":"e","data":1}`, nil, nil},
	{"ws:broadcast", ` {"data" : [ 1.0, 12345678901234567890123 ] , "more":1, "event":"e","type":"broadcast","serverId":"x"} `, lines(`{"event":"e","data":[ 1.0, 12345678901234567890123 ]}`), nil},
	{"ws:broadcast", `{"serverId":"x","type":"broadcast","event":"e","data":1,"exclude":"<id>"}`, nil, nil},
	{"ws:broadcast", `{"serverId":"x","type":"broadcast","event":"e","data":1,"exclude":["<id>"]}`, nil, nil},
	{"ws:broadcast", `{"serverId":"x","type":"broadcast","event":"e","data":1,"exclude":[5,null]}`, lines(`{"event":"e","data":1}`), nil},
	{"ws:broadcast", `{"serverId":"x","type":"broadcast","event":"e","data":1,"exclude":null}`, lines(`{"event":"e","data":1}`), nil},
	{"ws:broadcast", `{"serverId":"x","type":"broadcast","event":"e","data":1,"exclude":{}}`, lines(`{"event":"e","data":1}`), nil},
	{"ws:broadcast", `{"serverId":"x","type":"broadcast","event":"e","data":1,"exclude":5}`, lines(`{"event":"e","data":1}`), nil},
	{"ws:broadcast", `{"serverId":"x","type":"client","target":"<id>","event":"e","data":1,"exclude":["<id>"]}`, lines(`{"event":"e","data":1}`), nil},
	{"ws:broadcast", `{"serverId":"x","type":"user","target":"ann","event":"e","data":1,"exclude":["<id>"]}`, lines(`{"event":"e","data":1}`), nil},
	{"ws:broadcast", `{"serverId":"x","type":"broadcast","event":"connected","data":1}`, lines(`{"event":"connected","data":1}`), nil},
	{"ws:broadcast", `{"serverId":"x","type":"broadcast","event":"a","event":"b","data":1,"data":2}`, lines(`{"event":"b","data":2}`), nil},
}
