package ws

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
)

func TestNegotiate(t *testing.T) {
	const (
		yes    = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
		window = yes + "; server_max_window_bits=15"
	)
	tests := []struct {
		name   string
		fields []string
		want   string
	}{
		{"no field", nil, ""},
		{"an empty field", []string{" "}, ""},
		{"Firefox, Safari", []string{"permessage-deflate"}, yes},
		{"Chrome, Bun, Node's ws", []string{"permessage-deflate; client_max_window_bits"}, yes},
		{"gobwas", []string{"permessage-deflate;server_no_context_takeover;client_no_context_takeover"}, yes},
		{"an old Safari", []string{"x-webkit-deflate-frame"}, ""},
		{"another extension first", []string{"bbf-usp-protocol; a=b, permessage-deflate"}, yes},
		{"in a second field", []string{"x-one", "permessage-deflate"}, yes},
		{"empty elements and space", []string{" ,\t, permessage-deflate ;\tclient_max_window_bits = 9 ,"}, yes},
		{"a name in another case", []string{"Permessage-Deflate"}, ""},
		{"a name with that prefix", []string{"permessage-deflate2"}, ""},

		{"a window for us", []string{"permessage-deflate; server_max_window_bits=15"}, window},
		{"in quotes", []string{`permessage-deflate; server_max_window_bits="15"`}, window},
		{"in quotes, escaped", []string{`permessage-deflate; server_max_window_bits="1\5"`}, window},
		{"a small window for us", []string{"permessage-deflate; server_max_window_bits=9"}, yes + "; server_max_window_bits=9"},
		{"the smallest window for us", []string{"permessage-deflate; server_max_window_bits=8"}, yes + "; server_max_window_bits=8"},
		{"too small a window for us", []string{"permessage-deflate; server_max_window_bits=7"}, ""},
		{"a window for us with a leading zero", []string{"permessage-deflate; server_max_window_bits=09"}, ""},
		{"a window for us with a sign", []string{"permessage-deflate; server_max_window_bits=+9"}, ""},
		{"a window for us that is far too large", []string{"permessage-deflate; server_max_window_bits=265"}, ""},
		{"a window for us without a size", []string{"permessage-deflate; server_max_window_bits"}, ""},
		{"a window for us that is too large", []string{"permessage-deflate; server_max_window_bits=16"}, ""},
		{"a small window for the client", []string{"permessage-deflate; client_max_window_bits=8"}, yes},
		{"the largest window for the client", []string{`permessage-deflate; client_max_window_bits="15"`}, yes},
		{"too small a window", []string{"permessage-deflate; client_max_window_bits=7"}, ""},
		{"too large a window", []string{"permessage-deflate; client_max_window_bits=16"}, ""},
		{"a window with a leading zero", []string{"permessage-deflate; client_max_window_bits=08"}, ""},
		{"a window that is not a number", []string{"permessage-deflate; client_max_window_bits=x"}, ""},

		{"an unknown parameter", []string{"permessage-deflate; speed=11"}, ""},
		{"an unexpected value", []string{"permessage-deflate; server_no_context_takeover=1"}, ""},
		{"an unexpected value, the other side", []string{"permessage-deflate; client_no_context_takeover=true"}, ""},
		{"a parameter twice", []string{"permessage-deflate; client_max_window_bits; client_max_window_bits"}, ""},
		{"a parameter twice, once with a value", []string{"permessage-deflate; client_max_window_bits=15; client_max_window_bits"}, ""},
		{"another parameter twice", []string{"permessage-deflate; server_no_context_takeover; server_no_context_takeover"}, ""},
		{"the first acceptable offer", []string{
			"permessage-deflate; server_max_window_bits=7, permessage-deflate; x",
			"permessage-deflate; server_max_window_bits=15, permessage-deflate",
		}, window},
		{"a fallback", []string{"permessage-deflate; server_max_window_bits=7; client_max_window_bits, permessage-deflate; client_max_window_bits"}, yes},
	}
	for _, tt := range tests {
		if got, _, err := negotiate(tt.fields); err != nil || got != tt.want {
			t.Errorf("%s: %q, %v; want %q", tt.name, got, err, tt.want)
		}
	}
	for _, field := range []string{
		"permessage-deflate;", "; a", "permessage-deflate; =1", "permessage-deflate; a=", "permessage-deflate a",
		`permessage-deflate; a="`, `permessage-deflate; a=""`, `permessage-deflate; a="1`, `permessage-deflate; a="1\`,
		`permessage-deflate; a="1 5"`, `permessage-deflate; a="1"5`, "permessage-deflate; a=b=c", "pérmessage", "a, b; c; ;",
		`"permessage-deflate"`, "permessage-deflate\x00", "a/b",
	} {
		if got, _, err := negotiate([]string{"permessage-deflate", field}); err == nil {
			t.Errorf("%q: accepted as %q", field, got)
		}
	}
}

func FuzzNegotiate(f *testing.F) {
	f.Add("permessage-deflate; client_max_window_bits, permessage-deflate", "x; y=\"z\\w\"")
	f.Add(`,permessage-deflate; server_max_window_bits="15"`, "")
	f.Fuzz(func(t *testing.T, one, two string) {
		both, _, err := negotiate([]string{one, two})
		joined, _, joinedErr := negotiate([]string{one + " , " + two})
		if err == nil && (joinedErr != nil || both != joined) {
			t.Errorf("as two fields %q, as one %q, %v", both, joined, joinedErr)
		}
		if err != nil || both == "" {
			return
		}
		// The answer is itself a valid offer, and the answer to that is the same.
		if again, _, err := negotiate([]string{both}); again != both || err != nil {
			t.Errorf("%q is answered by %q, %v", both, again, err)
		}
		if first, _, err := negotiate([]string{one}); err != nil || first != "" && first != both {
			t.Errorf("%q alone is answered by %q, %v", one, first, err)
		}
	})
}

// The response and the window returned to the caller agree.
func TestUpgradeNegotiatesCompression(t *testing.T) {
	const offered = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
	with := func(field string) string { return strings.TrimSuffix(handshake, "\r\n") + field }
	tests := []struct {
		name, request string
		allowed       bool
		status        int
		deflated      bool
	}{
		{"offered and allowed", with(offered), true, 101, true},
		{"offered", with(offered), false, 101, false},
		{"allowed", handshake, true, 101, false},
		{"neither", handshake, false, 101, false},
		{"allowed, but no acceptable offer", with("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=7\r\n\r\n"), true, 101, false},
		{"malformed", with("Sec-WebSocket-Extensions: permessage-deflate;\r\n\r\n"), true, 400, false},
		{"malformed, and ignored", with("Sec-WebSocket-Extensions: permessage-deflate;\r\n\r\n"), false, 101, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			returned := make(chan bool, 1)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				nc, _, window, err := Upgrade(w, r, Terms{Deflate: tt.allowed})
				returned <- window != 0
				if err == nil {
					_ = nc.Close()
				}
			}))
			defer s.Close()
			nc, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = nc.Close() }()
			if _, err := io.WriteString(nc, tt.request); err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(bufio.NewReader(nc), nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			answer := res.Header.Get("Sec-WebSocket-Extensions")
			if deflated := <-returned; res.StatusCode != tt.status || deflated != tt.deflated || (answer != "") != deflated {
				t.Errorf("got %s, %q; Upgrade returned a window: %v", res.Status, answer, deflated)
			}
		})
	}
}

// Compression works with a client of another implementation, in both directions.
func TestCompressionWithGobwasClient(t *testing.T) {
	const limit = 100_000
	m := text(chat(1000))
	read := make(chan []got, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nc, early, window, err := Upgrade(w, r, Terms{Deflate: true})
		if err != nil {
			t.Error(err)
			close(read)
			return
		}
		defer func() { _ = nc.Close() }()
		_, _ = nc.Write(m.bytes(window))
		rest, _ := io.ReadAll(nc)
		out, err := parseWith(&parser{max: limit, deflate: window != 0}, early, rest)
		if err != nil {
			t.Error(err)
		}
		read <- out
	}))
	defer s.Close()
	var d ws.Dialer
	d.Extensions = append(d.Extensions, wsflate.DefaultParameters.Option())
	nc, ahead, hs, err := d.Dial(context.Background(), strings.Replace(s.URL, "http", "ws", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	r := io.Reader(nc)
	if ahead != nil {
		r = ahead // the frame arrived together with the response
	}
	if len(hs.Extensions) != 1 {
		t.Errorf("the client got %v", hs.Extensions)
	}
	f := readRaw(t, r)
	if int(f.Header.Length) >= m.Size() {
		t.Errorf("%+v", f.Header)
	}
	if f, err = wsflate.DecompressFrame(f); err != nil || string(f.Payload) != chat(1000) {
		t.Errorf("the client read %q, %v", f.Payload, err)
	}
	if f, err = wsflate.CompressFrame(ws.NewTextFrame([]byte(chat(3000)))); err != nil {
		t.Fatal(err)
	}
	if err := ws.WriteFrame(nc, ws.MaskFrame(f)); err != nil {
		t.Fatal(err)
	}
	_ = nc.Close()
	if out := wait(t, read); len(out) != 1 || out[0] != (got{ws.OpText, chat(3000)}) {
		t.Errorf("the server read %.100q", out)
	}
}
