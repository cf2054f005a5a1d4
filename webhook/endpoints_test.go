package webhook_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/doctest"
	"github.com/ignis-go/ignis/internal/testprog"
	"github.com/ignis-go/ignis/webhook"
)

// document returns docs/webhooks.md and docs/webhook-endpoints.md.
func document(t testing.TB) string {
	t.Helper()
	return doctest.Read(t, "docs/webhooks.md") + doctest.Read(t, "docs/webhook-endpoints.md")
}

// block is a code block in one of these pages. The comment before it says what it is.
type block struct{ kind, name, language, text string }

func blocks(t testing.TB, kind string) (list []block) {
	t.Helper()
	for _, b := range doctest.Blocks(document(t)) {
		if what, name, _ := strings.Cut(b.Note, " "); what == kind {
			list = append(list, block{what, name, b.Language, strings.TrimSuffix(b.Text, "\n")})
		}
	}
	if len(list) == 0 {
		t.Fatalf("docs/webhooks.md has no %s", kind)
	}
	return list
}

// The endpoints in docs/webhook-endpoints.md answer a real client, and refuse what was not signed by
// it.
func TestEndpoints(t *testing.T) {
	interpreters := map[string][]string{ // the file is the last argument
		"main.go": nil, "endpoint.mjs": {"node"}, "endpoint.py": {"python3"}, "endpoint.php": {"php", "-S", "127.0.0.1:$PORT"},
	}
	list := blocks(t, "endpoint")
	if len(list) != len(interpreters) {
		t.Errorf("there are %d endpoints", len(list))
	}
	for _, b := range list {
		t.Run(b.language, func(t *testing.T) {
			t.Parallel()
			command, ok := interpreters[b.name]
			switch {
			case !ok:
				t.Fatalf("no command for %s", b.name)
			case command == nil:
				command = []string{doctest.Build(t, b.text)}
			default:
				file := filepath.Join(t.TempDir(), b.name)
				if err := os.WriteFile(file, []byte(b.text+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				command = append(slices.Clone(command), file)
			}
			p := start(t, command)
			p.answers(t)
			p.refuses(t)
		})
	}
}

// endpoint is a process that runs an endpoint.
type endpoint struct {
	url   string
	lines chan string // its output
}

// start starts an endpoint.
func start(t *testing.T, command []string) *endpoint {
	t.Helper()
	testprog.Require(t, "TEST_REQUIRE_LANGUAGES", command[0], "this test runs an endpoint with it")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	for i := range command {
		command[i] = strings.ReplaceAll(command[i], "$PORT", port)
	}
	cmd := childproc.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "PORT="+port, "WEBHOOK_SECRET="+secret, "TMPDIR="+t.TempDir())
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &endpoint{url: "http://127.0.0.1:" + port, lines: make(chan string, 1000)}
	read, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(read)
		for s := bufio.NewScanner(r); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	go func() {
		defer close(ended)
		_ = cmd.Wait()
		_ = w.Close()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		<-read
	})
	p.await(t, ended)
	return p
}

// await returns when the endpoint accepts connections.
func (p *endpoint) await(t *testing.T, ended chan struct{}) {
	t.Helper()
	deadline := time.After(patience)
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		c, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err == nil {
			_ = c.Close()
			tick.Stop()
			return
		}
		select {
		case <-tick.C:
		case <-ended:
			t.Fatalf("the endpoint has ended: %s", p.output())
		case <-deadline:
			t.Fatalf("%v: %s", err, p.output())
		}
	}
}

// output returns the lines that the endpoint has printed since the last call.
func (p *endpoint) output() (text string) {
	for {
		select {
		case line := <-p.lines:
			text += line + "\n"
		default:
			return text
		}
	}
}

// answers uses an endpoint as a server would, with one secret and while it is replaced.
func (p *endpoint) answers(t *testing.T) {
	t.Helper()
	for _, secrets := range [][]string{{secret}, {otherSecret, secret}, {secret, otherSecret}} {
		c := running(t, webhook.Config{URL: p.url, Secrets: secrets, Timeout: patience, EventTimeout: patience, DrainTimeout: patience, Logger: nothing})
		cred := ignis.Credentials{ClientID: "c1", Raw: []byte(`{"token":"token-of-ann"}`)}
		if id, err := c.Authenticate(t.Context(), cred); err != nil || id.UserID != "ann" {
			t.Errorf("authenticate: %q, %v; %s", id.UserID, err, p.output())
		}
		cred.Raw = []byte(`{"token":"` + private + `"}`)
		if _, err := c.Authenticate(t.Context(), cred); err == nil || !strings.Contains(err.Error(), "nknown token") {
			t.Errorf("authenticate: %v", err)
		}
		if rooms, err := c.ValidateRooms(t.Context(), ann(), []string{"lobby", "quiz-1", "quiz-2"}); err != nil || fmt.Sprint(rooms) != "[quiz-1 quiz-2]" {
			t.Errorf("join: %q, %v", rooms, err)
		}
		if rooms, err := c.ValidateRooms(t.Context(), ann(), []string{"lobby"}); err != nil || len(rooms) != 0 {
			t.Errorf("join: %q, %v", rooms, err)
		}
		reply, err := c.OnMessage(t.Context(), ann(), message("answer", `{"text":"äöü 😀 </script>","n":1.5}`))
		raw, _ := reply.(json.RawMessage)
		var got struct {
			User     string
			Received struct{ Text string }
		}
		if jsonErr := json.Unmarshal(raw, &got); err != nil || jsonErr != nil || got.User != "ann" || got.Received.Text != "äöü 😀 </script>" {
			t.Errorf("message: %s, %v, %v", raw, err, jsonErr)
		}
		c.OnConnect(t.Context(), ann())
		p.expect(t, "event connected evt_")
	}
}

// expect waits for a line of output with the text.
func (p *endpoint) expect(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case line := <-p.lines:
			if strings.Contains(line, text) {
				return
			}
		case <-deadline:
			t.Errorf("%q was not printed", text)
			return
		}
	}
}

// refuses sends an endpoint what attackers would send.
func (p *endpoint) refuses(t *testing.T) {
	t.Helper()
	body := `{"type":"join","data":{"rooms":["quiz-1"]}}`
	send := func(header http.Header, body string) int {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = header.Clone()
		r.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatalf("%v: %s", err, p.output())
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	id := 0
	fresh := func() http.Header { id++; return signedAt(fmt.Sprint("msg_", id), 0, body) }
	good := fresh()
	if got := send(good, body); got != 200 {
		t.Fatalf("a good request: %d: %s", got, p.output())
	}
	for name, row := range map[string]struct {
		header http.Header
		body   string
	}{
		"replayed":          {good, body},
		"no headers":        {http.Header{}, body},
		"another body":      {fresh(), strings.Replace(body, "quiz-1", "quiz-2", 1)},
		"truncated":         {fresh(), body[:len(body)-1]},
		"empty":             {fresh(), ""},
		"too old":           {signedAt("old", -6*time.Minute, body), body},
		"too new":           {signedAt("new", 6*time.Minute, body), body},
		"another secret":    {with(fresh(), "Webhook-Signature", otherSignature), body},
		"another version":   {with(fresh(), "Webhook-Signature", "v2,"+fresh().Get("Webhook-Signature")[3:]), body},
		"no signature":      {with(fresh(), "Webhook-Signature", ""), body},
		"an empty one":      {with(fresh(), "Webhook-Signature", "v1,"), body},
		"a short one":       {with(fresh(), "Webhook-Signature", "v1,AAAA"), body},
		"not base64":        {with(fresh(), "Webhook-Signature", "v1,!!!! ,,, v1"), body},
		"another ID":        {with(fresh(), "Webhook-Id", "msg_x"), body},
		"another timestamp": {with(signedAt("t", -6*time.Minute, body), "Webhook-Timestamp", fmt.Sprint(time.Now().Unix())), body},
		"no timestamp":      {with(fresh(), "Webhook-Timestamp", ""), body},
		"not a timestamp":   {with(fresh(), "Webhook-Timestamp", "1e9"), body},
		"negative":          {with(fresh(), "Webhook-Timestamp", "-1"), body},
	} {
		if got := send(row.header, row.body); got != 400 {
			t.Errorf("%s: %d: %s", name, got, p.output())
		}
	}
	if got := send(fresh(), body); got != 200 {
		t.Errorf("a good request afterwards: %d", got)
	}
}

func with(h http.Header, name, value string) http.Header {
	h.Set(name, value)
	return h
}

// sameJSON reports whether two JSON texts are the same but for white space.
func sameJSON(t testing.TB, a, b []byte) bool {
	t.Helper()
	return bytes.Equal([]byte(compact(t, a)), []byte(compact(t, b)))
}
