package interop

import (
	"strings"
)

// Reasons for different answers.
const (
	tooDeep   = "nesting is limited, so that no message is expensive to read"
	notString = "an event must be a string, because no other value can be sent to other instances"
	opaque    = "data is relayed unchanged"
	ownName   = "only servers send this event, so that clients cannot impersonate a server"
	reachable = "a client can always be reached by its ID"
	bounded   = "the number of rooms of a client is limited"
)

// nested returns a list nested to the given depth.
func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

// echo makes the server relay a message to its sender.
func echo(event, fields string) step {
	fields = `"room":"<id>",` + fields
	return step{send: text(`{"event":"` + event + `","data":{` + fields + `}}`), want: lines(own(event, fields))}
}

// reaches makes the server relay a message to a room that the client is in.
func reaches(room string) step {
	return step{send: text(`{"event":"x","data":{"room":"` + room + `"}}`), want: lines(own("x", `"room":"`+room+`"`))}
}

// misses makes the server relay a message to a room that the client is not in.
func misses(room string) step {
	return step{send: text(`{"event":"x","data":{"room":"` + room + `"}}`)}
}

// fromServers makes a client send an event that only servers may send.
func fromServers(event string) step {
	return step{
		send:    text(`{"event":"` + event + `","data":{"room":"<id>"}}`),
		decided: differs(ownName, own(event, `"room":"<id>"`)),
	}
}

var envelopeScripts = []script{
	{name: "not JSON", steps: []step{
		{send: text(`{`), want: lines(badFormat)},
		{send: text(``), want: lines(badFormat)},
		{send: text(`{"event":"authenticate"} x`), want: lines(badFormat)},
		{send: text(`{"event":'authenticate'}`), want: lines(badFormat)},
		{send: text(`{"event":"authenticate",}`), want: lines(badFormat)},
		{send: text("\ufeff{}"), want: lines(badFormat)},
		{send: text(`{"event":"a","data":01}`), want: lines(badFormat)},
		{send: text("{\"event\":\"a\tb\"}"), want: lines(badFormat)},
		{send: text(`NaN`), want: lines(badFormat)},
		{send: text(nested(60000)), want: lines(badFormat), decided: differs(tooDeep)},
	}},
	{name: "deep", login: "{}", steps: []step{
		{
			send: text(`{"event":"deep","data":{"room":"<id>","x":` + nested(500) + `}}`),
			want: lines(own("deep", `"room":"<id>","x":`+nested(500))),
		},
		{
			send:    text(`{"event":"deep","data":{"room":"<id>","x":` + nested(600) + `}}`),
			want:    lines(badFormat),
			decided: differs(tooDeep, own("deep", `"room":"<id>","x":`+nested(600))),
		},
	}},
	{name: "not a message", steps: []step{
		{send: text(`[]`)},
		{send: text(`null`)},
		{send: text(`5`)},
		{send: text(`"heartbeat"`)},
		{send: text(`true`)},
		{send: text(`[{"event":"heartbeat"}]`)},
		{send: text(`{}`)},
		{send: text(`{"event":""}`)},
		{send: text(`{"event":null}`)},
		{send: text(`{"Event":"x"}`)},
		{send: text(`{"data":1}`)},
		{send: text(`{"event":5}`), decided: differs(notString, notAuthenticated)},
		{send: text(`{"event":true}`), decided: differs(notString, notAuthenticated)},
		{send: text(`{"event":{}}`), decided: differs(notString, notAuthenticated)},
		{send: text(`{"event":0}`)},
		{send: text(`{"event":["heartbeat"]}`), decided: differs(notString, notAuthenticated)},
	}},
	{name: "not a message when authenticated", login: "{}", steps: []step{
		{send: text(`{`), want: lines(badFormat)},
		{send: text(`[]`)},
		{send: text(`null`)},
		{send: text(`{}`)},
		{send: text(`{"event":5}`)},
		{
			send:    text(`{"event":5,"data":{"room":"<id>"}}`),
			decided: differs(notString, `{"event":5,"data":{"room":"<id>","from":{"id":"<id>"}}}`),
		},
		{send: text(`{"event":"unknown"}`)},
	}},
	{name: "heartbeat", steps: []step{
		{send: text(`{"event":"heartbeat"}`)},
		{send: text(`{"event":"heartbeat","data":{"room":"<id>"},"id":"1"}`)},
		{send: text(`{"event":"authenticate"}`), want: lines(connectedEvent)},
		{send: text(`{"event":"heartbeat"}`)},
		{send: text(`{"event":"heartbeat","data":{"room":"<id>"}}`)},
		{send: text(`{"event":"Heartbeat","data":{"room":"<id>"}}`), want: lines(own("Heartbeat", `"room":"<id>"`))},
	}},
	{name: "the same key twice", login: "{}", steps: []step{
		{send: text(`{"event":"a","event":"b","data":{"room":"<id>"}}`), want: lines(own("b", `"room":"<id>"`))},
		{send: text(`{"event":"a","data":1,"data":{"room":"<id>"}}`), want: lines(own("a", `"room":"<id>"`))},
		{
			send:    text(`{"event":"a","event":5,"data":{"room":"<id>"}}`),
			decided: differs(notString, `{"event":5,"data":{"room":"<id>","from":{"id":"<id>"}}}`),
		},
		{send: text(`{"event":5,"event":"a","data":{"room":"<id>"}}`), want: lines(own("a", `"room":"<id>"`))},
		{send: text(`{"event":"a","data":{"room":"<id>"},"data":null}`)},
	}},
	{name: "text", login: "{}", steps: []step{
		echo("v", `"x":"<b>&`+"\u2028\u2029\u007f"+`é🔥"`),
		echo("<&>\u2028é", `"x":1`),
		echo(`v\u0001\"\\\b\n`, `"x":1`),
		echo("v", `"x":"\ud800"`),
		{
			send:    text(`{"event":"v","data":{"room":"<id>","x":"\u2028\u00e9\/"}}`),
			want:    lines(own("v", `"room":"<id>","x":"\u2028\u00e9\/"`)),
			decided: differs(opaque, own("v", `"room":"<id>","x":"`+"\u2028é"+`/"`)),
		},
		{
			send: text(`{"event":"\u2028\u00e9\/\ud83d\udd25","data":{"room":"<id>"}}`),
			want: lines(own("\u2028é/🔥", `"room":"<id>"`)),
		},
		{
			send:    text(`{"event":"\ud800","data":{"room":"<id>"}}`),
			want:    lines(own("\ufffd", `"room":"<id>"`)),
			decided: differs("a name is Unicode text, which half a surrogate pair is not", own(`\ud800`, `"room":"<id>"`)),
		},
	}},
	{name: "data", login: "{}", steps: []step{
		echo("v", `"x":null`),
		{
			send:    text(`{"event":"v","data":{"room":"<id>","x":12345678901234567890123}}`),
			want:    lines(own("v", `"room":"<id>","x":12345678901234567890123`)),
			decided: differs(opaque, own("v", `"room":"<id>","x":1.2345678901234568e+22`)),
		},
		{
			send:    text(`{"event":"v","data":{"room":"<id>","x":1.0}}`),
			want:    lines(own("v", `"room":"<id>","x":1.0`)),
			decided: differs(opaque, own("v", `"room":"<id>","x":1`)),
		},
		{
			send:    text(` { "event" : "v" , "data" : { "room" : "<id>" , "x" : [ 1 , 2 ] } } `),
			want:    lines(own("v", `"room":"<id>","x":[ 1 , 2 ]`)),
			decided: differs(opaque, own("v", `"room":"<id>","x":[1,2]`)),
		},
		{
			send:    text(`{"event":"v","data":{"room":"<id>","b":1,"2":2,"1":3}}`),
			want:    lines(own("v", `"room":"<id>","b":1,"2":2,"1":3`)),
			decided: differs(opaque, own("v", `"1":3,"2":2,"room":"<id>","b":1`)),
		},
		{
			send: text(`{"id":"7","event":"v","data":{"room":"<id>"},"more":1}`),
			want: lines(own("v", `"room":"<id>"`)),
		},
		{send: text(`{"event":"v","data":null}`)},
		{send: text(`{"event":"v"}`)},
	}},
	{name: "events of servers", login: "{}", steps: []step{
		fromServers("connected"), fromServers("disconnect"), fromServers("error"),
		{
			send: text(`{"event":"encrypted","data":{"room":"<id>"}}`),
			want: lines(errorEvent("Invalid encrypted message")),
			decided: differs("the server decrypts these messages itself, and cannot decrypt this one",
				own("encrypted", `"room":"<id>"`)),
		},
	}},
	{name: "events before authentication", steps: []step{
		{send: text(`{"event":"x"}`), want: lines(notAuthenticated)},
		{send: text(`{"event":"join","data":{"rooms":["a"]}}`), want: lines(notAuthenticated)},
		{send: text(`{"event":"leave"}`), want: lines(notAuthenticated)},
		{send: text(`{"event":"connected"}`), want: lines(notAuthenticated)},
		{send: text(`{"event":"disconnect"}`), want: lines(notAuthenticated)},
		{send: text(`{"event":"error"}`), want: lines(notAuthenticated)},
		{send: text(`{"event":"encrypted"}`), want: lines(notAuthenticated)},
		{send: text(`{"event":"Authenticate"}`), want: lines(notAuthenticated)},
	}},
}
