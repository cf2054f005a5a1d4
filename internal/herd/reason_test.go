//go:build linux

package herd

import (
	"fmt"
	"strings"
	"testing"
)

// TestRefusal checks the reasons for valid and invalid responses to the handshake.
func TestRefusal(t *testing.T) {
	for head, want := range map[string]Reason{
		"HTTP/1.1 101 Well\r\nSec-WebSocket-Accept: " + accept:          {},
		"HTTP/1.1 101 \r\nX: y\r\nSEC-WEBSOCKET-ACCEPT:" + accept + " ": {},
		"HTTP/1.1 101 Well\r\nSec-WebSocket-Accept: x":                  {Status: 101, Text: `"x"`},
		"HTTP/1.1 101 Well":          {Status: 101, Text: `""`},
		"HTTP/1.1 404 Not Found":     {Status: 404, Text: `"HTTP/1.1 404 Not Found"`},
		"HTTP/1.0 503 Busy":          {Status: 503, Text: `"HTTP/1.0 503 Busy"`},
		"HTTP/1.1 x\r\nLocation: /a": {Text: `"HTTP/1.1 x"`},
		"SSH-2.0":                    {Text: `"SSH-2.0"`},
		"HTTP/1.1 301 Moved\r\nlocation: https://h/a?t=secret":      {Status: 301, Text: "301", Location: "wss://h/a"},
		"HTTP/1.1 302 Found\r\nLocation: http://h#secret":           {Status: 302, Text: "302", Location: "ws://h"},
		"HTTP/1.1 307 Moved\r\nLocation: /a":                        {Status: 307, Text: "307", Location: "/a"},
		"HTTP/1.1 307 Moved\r\nLocation: ?t=secret":                 {Status: 307, Text: "307"},
		"HTTP/1.1 404 No\r\nLocation: /a":                           {Status: 404, Text: "404"},
		"HTTP/1.1 301 No\r\nLocation: /" + strings.Repeat("a", 200): {Status: 301, Text: "301"},
	} {
		got, refused := refusal([]byte(head))
		text := got.Text
		got.Text = want.Text
		if got != want || refused != (want != Reason{}) || !strings.Contains(text, want.Text) || strings.Contains(text, "secret") {
			t.Errorf("%q: %+v %q, want %+v", head, got, text, want)
		}
	}
}

// The most frequent reason is reported, and the number of different reasons is limited.
func TestReasonsAreBounded(t *testing.T) {
	r := make(reasons)
	if r.most() != (Reason{}) || r.String() != "" {
		t.Errorf("without reasons: %+v, %q", r.most(), r)
	}
	for i := range 100 {
		r.add(Reason{Text: fmt.Sprint(i), Code: uint16(i)})
	}
	for range 100 {
		r.add(Reason{Text: "5", Code: 5})
	}
	if len(r) != 9 || r.most() != (Reason{Text: "5", Code: 5}) || !strings.Contains(r.String(), "92 times: other reasons") {
		t.Errorf("%d kept, the most frequent is %+v: %s", len(r), r.most(), r)
	}
}
