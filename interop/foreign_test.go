package interop

import (
	"slices"
	"testing"

	"github.com/ignis-go/ignis/internal/redistest"
)

// TestForeignEnvelopes publishes invalid and unusual envelopes, which neither server may fail
// on.
func TestForeignEnvelopes(t *testing.T) {
	for _, kind := range []string{kindReference, kindIgnis} {
		t.Run(kind, func(t *testing.T) {
			redis := redistest.Start(t)
			ann := dial(t, startServer(t, kind, redis, settings{})).login("ann", "lobby")
			p := &player{client: ann, peer: "nobody"}
			for _, row := range foreignEnvelopes {
				payload := p.fill(row.payload)
				redis.Do("PUBLISH", row.channel, payload)
				redis.Do("PUBLISH", "ws:broadcast", `{"serverId":"emitter","type":"broadcast","event":"end"}`)
				var got []string
				for line := ann.next(); line != `{"event":"end"}`; line = ann.next() {
					got = append(got, line)
				}
				want := step{want: row.want, decided: row.decided}.wanted(t, kind)
				if !slices.Equal(got, want) {
					t.Errorf("%s %s\ngot  %s\nwant %s", row.channel, payload, got, want)
				}
			}
		})
	}
}

const arrived = `{"event":"e","data":1}`

var foreignEnvelopes = []struct {
	channel, payload string
	want             []string // what ann, who is in the room lobby, receives
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
	{"ws:broadcast", `{"serverId":"","type":"broadcast","event":"e","data":1}`, nil, differs("the ID of a server is not empty", arrived)},
	{"ws:broadcast", `{"serverId":"x","type":"broadcast","data":1}`, nil, nil},
	{"ws:broadcast", `{"serverId":"x","type":"broadcast","event":"","data":1}`, nil, differs("the name of an event is not empty", `{"event":"","data":1}`)},
	{"ws:broadcast", `{"serverId":"x","type":"broadcast","event":5,"data":1}`, nil, nil},
	{"ws:broadcast", `{"serverId":"x","type":"other","event":"e","data":1}`, nil, nil},
	{"ws:broadcast", `{"serverId":"x","event":"e","data":1}`, nil, nil},
	{"ws:broadcast", `{"serverId":"x","type":5,"event":"e","data":1}`, nil, nil},
	{"ws:broadcast", `{"serverId":"x","type":"room","event":"e","data":1}`, nil, nil},
	{"ws:broadcast", `{"serverId":"x","type":"room","target":"","event":"e","data":1}`, nil, nil},
	{"ws:broadcast", `{"serverId":"x","type":"room","target":5,"event":"e","data":1}`, nil, nil},
	{"ws:broadcast", `{"serverId":"x","type":"client","event":"e","data":1}`, nil, nil},
	{"ws:broadcast", `{"serverId":"x","type":"user","event":"e","data":1}`, nil, nil},
	{"ws:broadcast", `{"serverId":"x","type":"broadcast","target":"lobby","event":"e","data":1}`, lines(arrived), nil},
	{"ws:broadcast", `{"serverId":"x","type":"broadcast","target":5,"event":"e","data":1}`, lines(arrived), nil},
	{"ws:room:other", `{"serverId":"x","type":"room","target":"lobby","event":"e","data":1}`, lines(arrived), nil},
	{"ws:client:x", `{"serverId":"x","type":"user","target":"ann","event":"e","data":1}`, lines(arrived), nil},
	{"ws:user:x", `{"serverId":"x","type":"client","target":"<id>","event":"e","data":1}`, lines(arrived), nil},
	{"ws:other", `{"serverId":"x","type":"broadcast","event":"e","data":1}`, nil, nil},
	{"ws:broadcast", ` {"data" : [ 1.0, 12345678901234567890123 ] , "more":1, "event":"e","type":"broadcast","serverId":"x"} `, lines(`{"event":"e","data":[ 1.0, 12345678901234567890123 ]}`), differs(opaque, `{"event":"e","data":[1,1.2345678901234568e+22]}`)},
	{"ws:broadcast", `{"serverId":"x","type":"broadcast","event":"e","data":1,"exclude":"<id>"}`, lines(arrived), nil},
	{"ws:broadcast", `{"serverId":"x","type":"broadcast","event":"e","data":1,"exclude":["<id>"]}`, nil, nil},
	{"ws:broadcast", `{"serverId":"x","type":"broadcast","event":"e","data":1,"exclude":[5,null]}`, lines(arrived), nil},
	{"ws:broadcast", `{"serverId":"x","type":"broadcast","event":"e","data":1,"exclude":null}`, lines(arrived), nil},
	{"ws:broadcast", `{"serverId":"x","type":"broadcast","event":"e","data":1,"exclude":{}}`, lines(arrived), nil},
	{"ws:broadcast", `{"serverId":"x","type":"broadcast","event":"e","data":1,"exclude":5}`, lines(arrived), nil},
	{"ws:broadcast", `{"serverId":"x","type":"client","target":"<id>","event":"e","data":1,"exclude":["<id>"]}`, lines(arrived), nil},
	{"ws:broadcast", `{"serverId":"x","type":"user","target":"ann","event":"e","data":1,"exclude":["<id>"]}`, lines(arrived), nil},
	{"ws:broadcast", `{"serverId":"x","type":"broadcast","event":"connected","data":1}`, lines(`{"event":"connected","data":1}`), nil},
	{"ws:broadcast", `{"serverId":"x","type":"broadcast","event":"a","event":"b","data":1,"data":2}`, lines(`{"event":"b","data":2}`), nil},
}
