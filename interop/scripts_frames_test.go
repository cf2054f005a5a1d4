package interop

import (
	"strings"

	"github.com/gobwas/ws"
)

// maxPayload is the size of the largest message from a client, in bytes.
const maxPayload = 131072

// closes returns a script in which the frames end the connection.
func closes(name, want string, frames ...ws.Frame) script {
	return script{name: name, steps: []step{{send: frames, want: lines(want)}}}
}

// padded returns the message padded with spaces to n bytes.
func padded(message string, n int) string { return strings.Repeat(" ", n-len(message)) + message }

var frameScripts = []script{
	{name: "binary", steps: []step{
		{send: binary(`x`), want: lines(badFormat)},
		{send: binary("\xff"), want: lines(badFormat)},
		{send: binary(``), want: lines(badFormat)},
		{send: binary(`{"event":"x"}`), want: lines(notAuthenticated)},
		{send: binary(`{"event":"authenticate"}`), want: lines(connectedEvent)},
		{send: binary(`{"event":"x","data":{"room":"<id>"}}`), want: lines(own("x", `"room":"<id>"`))},
		{send: binary("{\"event\":\"\xff\",\"data\":{\"room\":\"<id>\"}}"), want: lines(own("\ufffd", `"room":"<id>"`))},
	}},
	{name: "fragments", login: "{}", steps: []step{
		{send: []ws.Frame{
			frame(ws.OpText, false, 0, `{"event":"x","data":{"ro`),
			frame(ws.OpPing, true, 0, "between"),
			frame(ws.OpContinuation, false, 0, ``),
			frame(ws.OpContinuation, true, 0, `om":"<id>"}}`),
		}, want: lines("pong between", own("x", `"room":"<id>"`))},
	}},
	{name: "ping", steps: []step{
		{send: []ws.Frame{ws.NewPingFrame([]byte("x"))}, want: lines("pong x")},
		{send: []ws.Frame{ws.NewPongFrame([]byte("x"))}},
	}},
	closes("close", "close 1000 bye", ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "bye"))),
	closes("close without a code", "close", ws.NewCloseFrame(nil)),
	closes("close 4242", "close 4242", ws.NewCloseFrame(ws.NewCloseFrameBody(4242, ""))),
	closes("close 1005", "close 1002", ws.NewCloseFrame(ws.NewCloseFrameBody(1005, ""))),
	closes("close with one byte", "close 1002", frame(ws.OpClose, true, 0, "x")),
	{name: "largest message", login: "{}", steps: []step{
		{
			send: text(padded(`{"event":"x","data":{"room":"ws-default"}}`, maxPayload)),
			want: lines(own("x", `"room":"ws-default"`)),
		},
	}},
	closes("too large", "close 1009", text(padded(`{"event":"x"}`, maxPayload+1))...),
	closes("too large in fragments", "close 1009",
		frame(ws.OpText, false, 0, strings.Repeat(" ", 100000)), frame(ws.OpContinuation, true, 0, strings.Repeat(" ", 100000))),
	closes("invalid UTF-8", "close 1007", text("\"\xff\"")...),
	closes("surrogate in UTF-8", "close 1007", text("\"\xed\xa0\x80\"")...),
	closes("reserved bit", "close 1002", frame(ws.OpText, true, ws.Rsv(false, true, false), `{}`)),
	closes("compressed without agreement", "close 1002", frame(ws.OpText, true, ws.Rsv(true, false, false), `{}`)),
	closes("unknown opcode", "close 1002", frame(3, true, 0, `{}`)),
	closes("unknown control opcode", "close 1002", frame(11, true, 0, `{}`)),
	closes("fragmented ping", "close 1002", frame(ws.OpPing, false, 0, "")),
	closes("large ping", "close 1002", frame(ws.OpPing, true, 0, strings.Repeat("x", 126))),
	closes("continuation of nothing", "close 1002", frame(ws.OpContinuation, true, 0, "{}")),
	closes("text within fragments", "close 1002", frame(ws.OpText, false, 0, "{"), frame(ws.OpText, true, 0, "}")),
}
