package interop

import (
	"net/http"
	"testing"

	"github.com/ignis-go/ignis/internal/redistest"
)

// answer is the compared part of an HTTP response.
type answer struct {
	status   int
	versions string // Sec-WebSocket-Version
}

// TestHTTP sends requests that do not open a WebSocket connection.
func TestHTTP(t *testing.T) {
	upgrade := func(change map[string]string) map[string]string {
		header := map[string]string{
			"Connection": "Upgrade", "Upgrade": "websocket",
			"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
		}
		for name, value := range change {
			header[name] = value
		}
		return header
	}
	for _, kind := range []string{kindReference, kindIgnis} {
		s := startServer(t, kind, redistest.Start(t), settings{})
		for _, row := range []struct {
			name, method, path string
			header             map[string]string
			want               answer
			reference          answer // the reference's answer if why is not empty
			why                string // the reason for the difference
		}{
			{"plain", "GET", "/ws", nil, answer{426, "13"}, answer{status: 404}, "the endpoint exists, and the answer explains what it is for"},
			{"elsewhere", "GET", "/elsewhere", nil, answer{status: 404}, answer{}, ""},
			{"upgrade elsewhere", "GET", "/elsewhere", upgrade(nil), answer{status: 404}, answer{}, ""},
			{"old version", "GET", "/ws", upgrade(map[string]string{"Sec-WebSocket-Version": "8"}), answer{426, "13"}, answer{}, ""},
			{"no key", "GET", "/ws", upgrade(map[string]string{"Sec-WebSocket-Key": ""}), answer{status: 400}, answer{status: 500}, "the mistake is the client's"},
			{"bad key", "GET", "/ws", upgrade(map[string]string{"Sec-WebSocket-Key": "x"}), answer{status: 400}, answer{status: 500}, "the mistake is the client's"},
			{"post", "POST", "/ws", upgrade(nil), answer{status: 405}, answer{status: 500}, "only a GET opens a connection"},
			{"query", "GET", "/ws?x=1", upgrade(map[string]string{"Sec-WebSocket-Version": "8"}), answer{426, "13"}, answer{}, ""},
			{"origin", "GET", "/ws", upgrade(map[string]string{"Sec-WebSocket-Version": "8", "Origin": "http://localhost:3000"}), answer{426, "13"}, answer{}, ""},
		} {
			t.Run(kind+" "+row.name, func(t *testing.T) {
				want := row.want
				if kind == kindReference && row.why != "" {
					want = row.reference
				}
				if got := request(t, row.method, s.url+row.path, row.header); got != want {
					t.Errorf("got %v, want %v", got, want)
				}
			})
		}
	}
}

func request(t *testing.T, method, url string, header map[string]string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		if value != "" {
			r.Header[name] = []string{value}
		}
	}
	client := http.Client{Timeout: patience}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return answer{response.StatusCode, response.Header.Get("Sec-WebSocket-Version")}
}
