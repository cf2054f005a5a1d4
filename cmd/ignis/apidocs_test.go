package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/doctest"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
)

// shell runs commands of the documentation in a folder, with the address of the server in place
// of the one that they contain, and returns what they print.
func shell(t *testing.T, dir, address, commands string, variables ...string) string {
	t.Helper()
	for _, program := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(program + " is not installed")
		}
	}
	cmd := childproc.CommandContext(t.Context(), "bash", "-ec", strings.ReplaceAll(commands, "127.0.0.1:8080", address))
	cmd.Dir, cmd.Env = dir, append(append(os.Environ(), fastExit), variables...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil || strings.Contains(errs.String(), "warning") {
		t.Fatalf("%v\n%s%s%s", err, commands, &out, &errs)
	}
	return strings.TrimSpace(out.String())
}

// The commands in docs/http-api.md make a key, start a server and publish.
func TestAPIDocs(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	blocks := doctest.Blocks(doctest.Section(t, doctest.Read(t, "docs/http-api.md"), "With the program"), "bash")
	if len(blocks) != 2 {
		t.Fatalf("%d blocks", len(blocks))
	}
	setup, command, ok := strings.Cut(blocks[0].Text, "ignis serve ")
	if !ok {
		t.Fatalf("no server in %s", blocks[0].Text)
	}
	dir := t.TempDir()
	shell(t, dir, "", setup)
	cmd := childproc.Command("ignis", append([]string{"serve", "--listen", "127.0.0.1:0"}, strings.Fields(command)...)...)
	cmd.Dir = dir
	server := startCommand(t, nil, cmd)
	server.line()
	address := "127.0.0.1:" + portOf(server)
	listener := start(t, nil, "listen", "ws://"+address+"/ws", "--user", "ann", "--join", "lobby")
	redistest.Wait(t, "ann to receive both notices", func() bool { // sent repeatedly, because listen may join later
		if out := shell(t, dir, address, blocks[1].Text); out != `{"localRecipients":0}` && out != `{"localRecipients":1}` {
			t.Fatalf("printed %s", out)
		}
		return strings.Count(listener.lines.text(), `{"event":"notice","data":{"text":"hello"},"room":"lobby"}`) >= 2
	})
}

// The requests in the README and in docs/revocation.md are accepted.
func TestRequestsInTheDocs(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	key, entry := makeKey(t, "all", "--scope", "publish,manage")
	server, address := serve(t, []string{"IGNIS_JWT_SECRET=" + testKey}, "--config", writeFile(t, "ignis.yaml", keysFile(entry)))
	n := 0
	for _, page := range []string{"README.md", "docs/revocation.md"} {
		for _, block := range doctest.Blocks(doctest.Read(t, page), "sh", "bash") {
			if !strings.HasPrefix(block.Text, "curl ") {
				continue
			}
			n++
			if out := shell(t, t.TempDir(), address, block.Text, "KEY="+key); out != `{"localRecipients":0}` && out != `{"localClients":0}` {
				t.Errorf("%s: %s printed %s", page, block.Text, out)
			}
		}
	}
	if n != 2 {
		t.Errorf("%d requests", n)
	}
	server.logged("access revoked")
}
