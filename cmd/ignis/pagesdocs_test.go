package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/doctest"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/internal/testprog"
	"github.com/ignis-go/ignis/wire"
)

// The tests in this file follow pages of the documentation; see tutorial.

// goProgram builds the complete program of a page, with another Redis and server.
func (d *tutorial) goProgram(page string) string {
	d.t.Helper()
	blocks := doctest.Blocks(doctest.Read(d.t, page), "go")
	if len(blocks) != 1 {
		d.t.Fatalf("%s has %d programs in Go", page, len(blocks))
	}
	return doctest.Build(d.t, d.replaced(blocks[0].Text))
}

// Each command in docs/workers.md works, and so does the program.
func TestWorkersDocs(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	redis := redistest.Start(t)
	d := follow(t, map[string]string{"redis://127.0.0.1:6379": redis.URL()}, "IGNIS_REDIS="+redis.URL())
	blocks := doctest.Blocks(doctest.Read(t, "docs/workers.md"), "sh")
	d.blocks(blocks[:1])
	ann := dial(t, d.replace["127.0.0.1:8080"], map[string]string{"token": "ann"})
	if _, err := ann.Join(withTimeout(t), "ops"); err != nil {
		t.Fatal(err)
	}
	d.blocks(blocks[1:])
	if out, err := childproc.CommandContext(withTimeout(t), d.goProgram("docs/workers.md")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{`backup:done {"file":"backup.tar","bytes":1024}`, `maintenance {"minutes":5}`, "ping ", `report:ready {"pages":3}`} {
		if m := receive(t, ann); m.Event+" "+string(m.Data) != want {
			t.Errorf("received %+v, want %s", m, want)
		}
	}
	if d.ran != 8 {
		t.Errorf("ran %d commands", d.ran)
	}
}

// The commands and the program in docs/encryption.md encrypt, and both sides report what it says.
func TestEncryptionDocs(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	d := follow(t, nil)
	d.page("docs/encryption.md", 2)
	address := d.replace["127.0.0.1:8080"]
	p := startCommand(t, nil, childproc.Command(d.goProgram("docs/encryption.md")))
	var printed string
	ben, err := client.Dial(withTimeout(t), "ws://"+address+"/ws", client.Config{Credentials: map[string]string{"token": "ben"}, Encrypt: true})
	if err != nil {
		t.Fatal(err)
	}
	defer ben.Close()
	if _, err := ben.Join(withTimeout(t), "lobby"); err != nil {
		t.Fatal(err)
	}
	redistest.Wait(t, "the program to print a message", func() bool { // sent repeatedly, because it may join later
		if err := ben.SendMessage(withTimeout(t), wire.Message{Event: "say", Room: "lobby", Data: []byte(`{"text":"hi"}`)}); err != nil {
			t.Fatal(err)
		}
		printed = p.lines.text()
		return printed != ""
	})
	if !strings.HasPrefix(printed, `say {"text":"hi"`) {
		t.Errorf("printed %s", printed)
	}

	page := doctest.Read(t, "docs/encryption.md")
	_, err = client.Dial(withTimeout(t), "ws://"+address+"/ws", client.Config{Credentials: map[string]string{"token": "ben"}})
	var closed *client.CloseError
	if !errors.As(err, &closed) || closed.Code != wire.CloseEncryptionRequired || !strings.Contains(page, "`"+closed.Reason+"`") {
		t.Errorf("without encryption: %v", err)
	}
	_, plain := serve(t, nil, "--dev", "--encryption", "off")
	if _, err = client.Dial(withTimeout(t), "ws://"+plain+"/ws", client.Config{Encrypt: true}); !errors.Is(err, client.ErrNotEncrypted) || !strings.Contains(page, "`the server does not encrypt`") {
		t.Errorf("with a server that does not encrypt: %v", err)
	}
}

// The commands in docs/schedules.md work and print what it says, and the program runs its job.
func TestSchedulesDocs(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	redis := redistest.Start(t)
	d := follow(t, map[string]string{"redis://127.0.0.1:6379": redis.URL()})
	d.page("docs/schedules.md", 8)
	p := startCommand(t, nil, childproc.Command(d.goProgram("docs/schedules.md")))
	p.logged("digest of 20")
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// The rules in docs/first-chat.md allow what it says. examples/browser.test.mjs follows the rest.
func TestFirstChatDocs(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	d := follow(t, nil)
	for _, b := range doctest.Blocks(doctest.Read(t, "docs/first-chat.md")) {
		if b.Note == "ignis.yaml" || b.Language == "console" {
			d.blocks([]doctest.Block{b})
		}
	}
	if d.ran != 2 {
		t.Errorf("ran %d commands", d.ran)
	}
}

// The commands in docs/history.md make a configuration whose rules keep messages away from the room until
// the webhook has stored them. examples/browser.test.mjs runs the rest.
func TestHistoryDocs(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	testprog.Require(t, "TEST_REQUIRE_LANGUAGES", "openssl", "this test makes a secret")
	d := follow(t, nil)
	for _, b := range doctest.Blocks(doctest.Read(t, "docs/history.md")) {
		if b.Note == "commands" {
			b.Note = ""
		}
		if b.Note == "" || b.Note == "ignis.yaml" {
			d.blocks([]doctest.Block{b})
		}
	}
	d.write("secret", testKey)
	d.expect("ignis config check --config ignis.yaml --jwt-secret-file secret", "ignis.yaml: ok")
	d.expect("ignis access check --config ignis.yaml --user ann --room lobby", `join: yes (rooms[0] "lobby" on line 3)   send: say (to the webhook)`)
	if d.ran != 5 {
		t.Errorf("ran %d commands", d.ran)
	}
}

// The commands in docs/kernel.md work, and the figures are those of ignis doctor.
func TestKernelDocs(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the page is about Linux")
	}
	for _, name := range []string{"nstat", "ss"} {
		testprog.Require(t, "TEST_REQUIRE_NAMESPACES", name, "this test runs documented commands")
	}
	d := follow(t, nil)
	d.page("docs/kernel.md", 7)
}

// The instances in docs/scale-out.md share rooms, and one that ends does not affect the other.
func TestScaleOutDocs(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	redis := redistest.Start(t)
	d := follow(t, map[string]string{
		"redis://127.0.0.1:6379": redis.URL(), "redis://10.0.0.5:6379": redis.URL(), "/run/secrets/jwt": secretFile(t),
	})
	blocks := doctest.Blocks(doctest.Read(t, "docs/scale-out.md"))
	d.blocks(blocks[:1])
	ann := dial(t, d.replace["127.0.0.1:8081"], map[string]string{"token": "ann"})
	bob := dial(t, d.replace["127.0.0.1:8082"], map[string]string{"token": "bob"})
	for _, c := range []*client.Conn{ann, bob} {
		if _, err := c.Join(withTimeout(t), "lobby"); err != nil {
			t.Fatal(err)
		}
	}
	if err := ann.SendMessage(withTimeout(t), wire.Message{Event: "say", Room: "lobby", Data: []byte(`{"text":"hi"}`)}); err != nil {
		t.Fatal(err)
	}
	if m := receive(t, bob); m.Event != "say" || m.From.UserID != "ann" {
		t.Errorf("received %+v", m)
	}
	for i := range 3 { // the fleet of the script that upgrades it
		d.replace[fmt.Sprintf("10.0.0.1%d:8080", 1+i)] = d.replace["127.0.0.1:8082"]
	}
	bin := t.TempDir()
	for _, name := range []string{"scp", "ssh", "sleep"} { // nothing to connect to, and no time to wait
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\necho "+name+" \"$@\" >>"+bin+"/log\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	d.env = append(d.env, "PATH="+bin+":"+os.Getenv("PATH"))
	d.blocks(blocks[1:])
	if log, err := os.ReadFile(filepath.Join(bin, "log")); err != nil || strings.Count(string(log), "ssh 127.0.0.1 mv ") != 3 {
		t.Errorf("the script has run %s, %v", log, err)
	}
	if m := receive(t, bob); m.Event != "notice" {
		t.Errorf("received %+v", m)
	}
	d.processes[0].signal(syscall.SIGTERM)
	d.processes[0].wait()
	d.finish("ignis emit user bob notice --redis redis://127.0.0.1:6379 < /dev/null")
	if m := receive(t, bob); m.Event != "notice" {
		t.Errorf("received %+v", m)
	}
	if d.ran != 7 {
		t.Errorf("ran %d commands", d.ran)
	}
}

// The configuration in docs/security.md is valid, and its commands say so.
func TestSecurityDocs(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	redis := redistest.Start(t)
	_, cert, key := tlsPair(t)
	testprog.Require(t, "TEST_REQUIRE_LANGUAGES", "openssl", "this test makes a key")
	d := follow(t, map[string]string{
		"/etc/ignis/tls.crt": cert, "/etc/ignis/tls.key": key, "/run/secrets/redis": writeFile(t, "redis", redis.URL()),
		"/etc/ignis/tokens.pem": "tokens.pem", `"0.0.0.0:8443"`: `"127.0.0.1:0"`, "127.0.0.1:9090": "127.0.0.1:0", "127.0.0.1:9464": "127.0.0.1:0",
	})
	d.finish("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 | openssl pkey -pubout > tokens.pem")
	blocks := doctest.Blocks(doctest.Read(t, "docs/security.md"))
	d.write(blocks[1].Note, blocks[1].Text)
	for _, command := range commandsOf(blocks[0].Text) {
		if strings.HasPrefix(command, "ignis doctor") {
			command = strings.Replace(command, " --public-url wss://rt.example.com/ws", "", 1) // which is not there
			d.expect(command+" | grep -E '(valid|origins|tokens|development): '", "ok ... valid: the settings are valid\n...")
			continue
		}
		d.command(command)
	}
	server := startCommand(t, nil, func() *childproc.Cmd {
		cmd := childproc.Command("ignis", "serve", "--config", "ignis.yaml")
		cmd.Dir = d.dir
		return cmd
	}())
	if line := server.line(); !strings.HasPrefix(line, "listening on https://") {
		t.Errorf("printed %s", line)
	}
}

// The commands in docs/troubleshooting.md say what the page says about a token that has expired and a
// room that is not allowed.
func TestTroubleshootingDocs(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	redis := redistest.Start(t)
	d := follow(t, map[string]string{
		"redis://127.0.0.1:6379": redis.URL(), "wss://rt.example.com/ws --idle 90s": "ws://127.0.0.1:8080/ws --idle 1s",
	})
	d.write("ignis.yaml", "redis: {url: '"+redis.URL()+"'}\nrooms:\n- {match: lobby, join: anyone}\n")
	d.write("secret", testKey)
	d.write("token", sign(t, testKey, map[string]any{"sub": "ann", "exp": 1700000000}))
	d.write("valid", sign(t, testKey, map[string]any{"sub": "ann", "exp": inAnHour()}))
	d.command("ignis serve --config ignis.yaml --jwt-secret-file secret")
	d.replace["wss://rt.example.com/ws --idle 90s"] = "ws://" + d.replace["127.0.0.1:8080"] + "/ws --idle 1s"
	page := doctest.Read(t, "docs/troubleshooting.md")
	d.page("docs/troubleshooting.md", 9)
	for _, said := range []string{"client rejected", "join refused by the room rules"} {
		if d.processes[0].logged(said); !strings.Contains(page, "`"+said+"`") {
			t.Errorf("the page does not quote %q", said)
		}
	}
}

// The commands at the beginning of docs/webhook-endpoints.md start a server. Package webhook tests the
// endpoints.
func TestWebhookEndpointsDocs(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	d := follow(t, nil)
	text, _, _ := strings.Cut(doctest.Read(t, "docs/webhook-endpoints.md"), "\n## ")
	d.blocks(doctest.Blocks(text))
	if d.ran != 2 {
		t.Errorf("ran %d commands", d.ran)
	}
}

// The commands at the beginning of the pages for operators work.
func TestOncallDocs(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	server, address := serve(t, nil, "--metrics-listen", "127.0.0.1:0", "--jwt-secret-file", secretFile(t))
	_, metrics, _ := strings.Cut(server.logged("serving metrics and probes"), "url=http://")
	metrics, _, _ = strings.Cut(metrics, " ")
	d := follow(t, map[string]string{"127.0.0.1:8080": address, "127.0.0.1:9464": metrics})
	d.write("ignis.yaml", "encryption: off\n")
	for _, page := range []string{"docs/oncall.md", "docs/oncall-metrics.md", "docs/redis.md"} {
		d.blocks(doctest.Blocks(doctest.Read(t, page), "sh"))
	}
	if d.ran != 6 {
		t.Errorf("ran %d commands", d.ran)
	}
}
