package interop

import (
	"fmt"
	"strings"
)

var authenticationScripts = []script{
	{name: "authenticate twice", steps: []step{
		{send: text(`{"event":"authenticate"}`), want: lines(connectedEvent)},
		{send: text(`{"event":"authenticate"}`), want: lines(alreadyAuthenticated)},
		{send: text(`{"event":"authenticate","data":{"userId":"x"}}`), want: lines(alreadyAuthenticated)},
	}},
	{name: "authenticate with null", steps: []step{authenticate(`null`, connectedEvent)}},
	{name: "authenticate with a number", steps: []step{authenticate(`5`, connectedEvent)}},
	{name: "authenticate with a string", steps: []step{authenticate(`"x"`, connectedEvent)}},
	{name: "authenticate with a list", steps: []step{authenticate(`[]`, connectedEvent)}},
	{name: "authenticate as a user", steps: []step{authenticate(`{"userId":"ann"}`, connectedAs("ann"))}},
	{name: "authenticate with a token", steps: []step{
		authenticate(`{"type":"Bearer","token":"<&>é\u2028"}`, connectedAs("<&>é\u2028")),
	}},
}

// authenticate sends credentials.
func authenticate(data string, want ...string) step {
	return step{send: text(`{"event":"authenticate","data":` + data + `}`), want: want}
}

func join(rooms ...string) step  { return step{send: text(roomsMessage("join", rooms))} }
func leave(rooms ...string) step { return step{send: text(roomsMessage("leave", rooms))} }

func roomsMessage(event string, rooms []string) string {
	return `{"event":"` + event + `","data":{"rooms":["` + strings.Join(rooms, `","`) + `"]}}`
}

// numbered returns the names of n rooms.
func numbered(n int) []string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("room %d", i))
	}
	return names
}

var roomScripts = []script{
	{name: "join", login: "{}", steps: []step{
		misses("a"),
		join("a", "b"),
		reaches("a"),
		reaches("b"),
		join("a", "a"),
		reaches("a"),
		leave("a"),
		misses("a"),
		reaches("b"),
	}},
	{name: "default rooms", login: "{}", steps: []step{
		reaches("ws-default"),
		reaches("ws-notification"),
		reaches("<id>"),
		leave("ws-default"),
		misses("ws-default"),
	}},
	{name: "malformed join", login: "{}", steps: []step{
		{send: text(`{"event":"join"}`)},
		{send: text(`{"event":"join","data":null}`)},
		{send: text(`{"event":"join","data":"a"}`)},
		{send: text(`{"event":"join","data":["a"]}`)},
		{send: text(`{"event":"join","data":{}}`)},
		{send: text(`{"event":"join","data":{"rooms":"a"}}`)},
		{send: text(`{"event":"join","data":{"rooms":null}}`)},
		{send: text(`{"event":"join","data":{"rooms":{"0":"a"}}}`)},
		{send: text(`{"event":"join","data":{"rooms":[]}}`)},
		{send: text(`{"event":"join","data":{"Rooms":["a"]}}`)},
		misses("a"),
		{send: text(`{"event":"join","data":{"rooms":["",5,null,["a"],{},"good"]}}`)},
		misses(""),
		misses("a"),
		reaches("good"),
	}},
	{name: "names of rooms", login: "{}", steps: []step{
		join("ws:room:a", "ws:", "WS:a"),
		misses("ws:room:a"),
		misses("ws:"),
		reaches("WS:a"),
		join(strings.Repeat("a", 256), strings.Repeat("b", 257)),
		reaches(strings.Repeat("a", 256)),
		misses(strings.Repeat("b", 257)),
		join(strings.Repeat("é", 256)),
		reaches(strings.Repeat("é", 256)),
		join(strings.Repeat("🔥", 128)),
		reaches(strings.Repeat("🔥", 128)),
		join(strings.Repeat("🔥", 129)),
		misses(strings.Repeat("🔥", 129)),
		join("<peer>"),
		misses("<peer>"),
		join(" ", "__proto__"),
		reaches(" "),
		reaches("__proto__"),
	}},
	{name: "leave", login: "{}", steps: []step{
		{send: text(`{"event":"leave"}`)},
		leave("nowhere"),
		{send: text(`{"event":"leave","data":{"rooms":"ws-default"}}`)},
		{send: text(`{"event":"leave","data":{"rooms":[5,null]}}`)},
		reaches("ws-default"),
		{send: text(`{"event":"leave","data":{"rooms":[5,"ws-default"]}}`)},
		misses("ws-default"),
	}},
	{name: "leave its own room", login: "{}", fence: "ws-default", steps: []step{
		reaches("<id>"),
		leave("<id>"),
		{
			send:    text(`{"event":"x","data":{"room":"<id>"}}`),
			want:    lines(own("x", `"room":"<id>"`)),
			decided: differs(reachable),
		},
		join("<id>"),
		reaches("<id>"),
	}},
	{name: "many rooms", login: "{}", steps: []step{
		join(numbered(200)...),
		reaches("room 0"),
		{
			send:    text(`{"event":"x","data":{"room":"room 199"}}`),
			decided: differs(bounded, own("x", `"room":"room 199"`)),
		},
	}},
}
