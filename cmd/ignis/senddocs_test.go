package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/doctest"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/internal/testprog"
)

// sample is a program in docs/send.md.
type sample struct {
	block doctest.Block
	dir   string
	env   []string
}

// run runs a program of the documentation as its language is usually run.
func (s sample) run(t *testing.T) {
	t.Helper()
	var name string
	var args []string
	switch s.block.Language {
	case "js":
		name, args = s.require(t, "node"), []string{file(t, s.dir, "send.mjs", s.block.Text)}
	case "python":
		name, args = s.python(t), []string{file(t, s.dir, "send.py", s.block.Text)}
	case "php":
		name, args = s.require(t, "php"), []string{file(t, s.dir, "send.php", s.block.Text)}
		s.needs(t, strings.Contains(s.block.Text, "new Redis"), "the PHP extension redis", name, "-r", "new Redis();")
	case "ruby":
		name, args = s.require(t, "ruby"), []string{file(t, s.dir, "send.rb", s.block.Text)}
		s.needs(t, strings.Contains(s.block.Text, `require "redis"`), "the Ruby gem redis", name, "-rredis", "-e", "")
	case "java":
		name, args = s.require(t, "java"), []string{file(t, s.dir, "Send.java", s.block.Text)}
		if strings.Contains(s.block.Text, "jedis") {
			args = append([]string{"-cp", s.jedis(t)}, args...)
		}
	case "go":
		name = doctest.Build(t, s.block.Text)
	case "sh":
		name, args = s.require(t, "bash"), []string{"-euc", s.block.Text}
	default:
		t.Fatalf("no idea how to run %q", s.block.Language)
	}
	cmd := childproc.CommandContext(withTimeout(t), name, args...)
	cmd.Dir, cmd.Env = s.dir, append(os.Environ(), s.env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, s.block.Text, out)
	}
}

func (sample) require(t *testing.T, name string) string {
	t.Helper()
	return testprog.Require(t, "TEST_REQUIRE_LANGUAGES", name, "this test runs a documented program with it")
}

// needs skips the test if a command that looks for a library fails.
func (s sample) needs(t *testing.T, condition bool, what, name string, args ...string) {
	t.Helper()
	if condition && childproc.CommandContext(t.Context(), name, args...).Run() != nil {
		testprog.Missing(t, "TEST_REQUIRE_LANGUAGES", what, "this test runs a documented program with it")
	}
}

// python returns an interpreter that has the package redis if the program uses it. One in PATH
// that does not come from the system may lack it.
func (s sample) python(t *testing.T) string {
	t.Helper()
	if !strings.Contains(s.block.Text, "import json, os, redis") {
		return s.require(t, "python3")
	}
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if childproc.CommandContext(t.Context(), name, "-c", "import redis").Run() == nil {
			return name
		}
	}
	testprog.Missing(t, "TEST_REQUIRE_LANGUAGES", "python3 with the package redis", "this test runs a documented program with it")
	return ""
}

// jedis returns a class path with a class of the name and the methods of Jedis that docs/send.md
// uses. It speaks to Redis, because the real one cannot be installed everywhere.
func (s sample) jedis(t *testing.T) string {
	t.Helper()
	s.require(t, "javac")
	source := file(t, s.dir, "JedisPooled.java", `package redis.clients.jedis;
import java.io.*;
import java.net.*;
import java.nio.charset.StandardCharsets;
public class JedisPooled implements AutoCloseable {
  private final Socket socket;
  public JedisPooled(String url) {
    try { var u = URI.create(url); socket = new Socket(u.getHost(), u.getPort()); } catch (IOException e) { throw new UncheckedIOException(e); }
  }
  public long publish(String channel, String message) {
    try {
      var b = message.getBytes(StandardCharsets.UTF_8);
      var out = socket.getOutputStream();
      out.write(("*3\r\n$7\r\nPUBLISH\r\n$" + channel.length() + "\r\n" + channel + "\r\n$" + b.length + "\r\n").getBytes());
      out.write(b);
      out.write("\r\n".getBytes());
      var line = new BufferedReader(new InputStreamReader(socket.getInputStream())).readLine();
      if (!line.startsWith(":")) throw new IllegalStateException(line);
      return Long.parseLong(line.substring(1));
    } catch (IOException e) { throw new UncheckedIOException(e); }
  }
  public void close() { try { socket.close(); } catch (IOException e) { throw new UncheckedIOException(e); } }
}
`)
	classes := filepath.Join(s.dir, "classes")
	if out, err := childproc.CommandContext(withTimeout(t), "javac", "-d", classes, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return classes
}

// programs returns the samples of a section of docs/send.md, which must be in these languages.
func programs(t *testing.T, text, section string, languages ...string) []doctest.Block {
	t.Helper()
	blocks := doctest.Blocks(doctest.Section(t, text, section))
	got := make([]string, len(blocks))
	for i, b := range blocks {
		got[i] = b.Language
	}
	if !slices.Equal(got, languages) {
		t.Fatalf("the section %s has programs in %q, want %q", section, got, languages)
	}
	return blocks
}

// paidOnce checks that a client has received the event that the samples send exactly once.
func paidOnce(t *testing.T, c *client.Conn, publishEnd func()) {
	t.Helper()
	if m := receive(t, c); m.Event != "paid" || strings.ReplaceAll(string(m.Data), " ", "") != `{"order":17}` {
		t.Errorf("received %+v", m)
	}
	publishEnd()
	if m := receive(t, c); m.Event != "end" {
		t.Errorf("received more than one event: %+v", m)
	}
}

// Each program in docs/send.md publishes over HTTP exactly once, although the first answer is lost.
func TestSendOverHTTP(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	text := doctest.Read(t, "docs/send.md")
	dir := t.TempDir()
	intro := doctest.Blocks(text, "bash", "sh")
	setup, command, ok := strings.Cut(intro[0].Text, "ignis serve ")
	if !ok {
		t.Fatalf("no server in %s", intro[0].Text)
	}
	shell(t, dir, "", setup)
	cmd := childproc.Command("ignis", append([]string{"serve", "--listen", "127.0.0.1:0"}, strings.Fields(command)...)...)
	cmd.Dir = dir
	server := startCommand(t, nil, cmd)
	server.line()
	address := "127.0.0.1:" + portOf(server)
	key, err := os.ReadFile(filepath.Join(dir, "backend.key"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := programs(t, text, "Over HTTP", "js", "python", "php", "ruby", "java", "go")
	for _, b := range append(blocks, intro[1]) {
		t.Run(b.Language, func(t *testing.T) {
			c := dial(t, address, map[string]string{"token": "ann-" + b.Language})
			api := losesAnswers(t, "http://"+address)
			// A user of its own for each language, because they share the server.
			b.Text = strings.NewReplacer("127.0.0.1:8080", strings.TrimPrefix(api, "http://"), "'ann'", "'ann-"+b.Language+"'",
				`"ann"`, `"ann-`+b.Language+`"`).Replace(b.Text)
			s := sample{b, t.TempDir(), []string{"IGNIS_API=" + api + "/api", "IGNIS_API_KEY=" + strings.TrimSpace(string(key))}}
			if b.Language == "sh" {
				s.dir = dir
			}
			s.run(t)
			paidOnce(t, c, func() {
				shell(t, dir, address, `curl -sS --fail http://127.0.0.1:8080/api/v1/publish -H "Authorization: Bearer $(cat backend.key)" -d '{"to":{"client":"`+c.ID()+`"},"event":"end"}'`)
			})
		})
	}
}

// losesAnswers returns the URL of a proxy of a server that closes the first connection without
// passing on the answer. It checks that the request is repeated with the same idempotency key.
func losesAnswers(t *testing.T, server string) string {
	t.Helper()
	var mu sync.Mutex
	var keys []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request, err := http.NewRequestWithContext(r.Context(), r.Method, server+r.URL.Path, r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		request.Header = r.Header.Clone()
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			t.Error(err)
			return
		}
		defer response.Body.Close()
		mu.Lock()
		keys = append(keys, r.Header.Get("Idempotency-Key"))
		first := len(keys) == 1
		mu.Unlock()
		if first {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(response.StatusCode)
		_, _ = io.Copy(w, response.Body)
	}))
	t.Cleanup(func() {
		proxy.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		// There may be more than two on a busy machine, because the programs wait only for seconds.
		if distinct := slices.Compact(slices.Clone(keys)); !t.Skipped() && (len(keys) < 2 || len(distinct) != 1 || distinct[0] == "") {
			t.Errorf("the program has sent requests with the keys %q", keys)
		}
	})
	return proxy.URL
}

// Each program in docs/send.md publishes over a real Redis.
func TestSendOverRedis(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	redis := redistest.Start(t)
	_, address := serve(t, nil, "--dev", "--redis", redis.URL())
	for _, b := range programs(t, doctest.Read(t, "docs/send.md"), "Over Redis", "sh", "js", "python", "php", "ruby", "java") {
		t.Run(b.Language, func(t *testing.T) {
			c := dial(t, address, map[string]string{"token": "ann"})
			b.Text = strings.ReplaceAll(b.Text, "redis://127.0.0.1:6379", redis.URL())
			s := sample{b, t.TempDir(), []string{"REDIS_URL=" + redis.URL()}}
			switch b.Language {
			case "sh":
				s.require(t, "redis-cli")
			case "js": // where Debian installs the package
				modules := "/usr/share/nodejs"
				if _, err := os.Stat(modules + "/redis"); err != nil {
					testprog.Missing(t, "TEST_REQUIRE_LANGUAGES", "the package redis for Node.js", "this test runs a documented program with it")
				}
				if err := os.Symlink(modules, filepath.Join(s.dir, "node_modules")); err != nil {
					t.Fatal(err)
				}
				s.env = append(s.env, "NODE_PATH="+modules) // for the packages that it requires
			}
			s.run(t)
			paidOnce(t, c, func() { emit(t, redis.URL(), "client", c.ID(), "end") })
			_ = c.Close()
		})
	}
}
