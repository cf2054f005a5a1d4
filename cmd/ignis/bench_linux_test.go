package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/wire"
)

// measure runs ignis bench --json and returns its result.
func measure(t *testing.T, address string, args ...string) (benchResult, *process) {
	t.Helper()
	p := start(t, nil, append([]string{"bench", "--json", "--url", "ws://" + address + "/ws"}, args...)...)
	if code := p.wait(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	var r benchResult
	if err := json.Unmarshal([]byte(p.lines.text()), &r); err != nil {
		t.Fatal(err)
	}
	return r, p
}

// Every message arrives at every client, no matter how it is sent.
func TestBench(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	r := redistest.Start(t)
	// On a busy machine, the clients may read the burst of 8 MB too slowly for the default limit.
	p, address := serve(t, nil, "--dev", "--redis", r.URL(), "--backpressure-limit", "64MiB")
	pid := fmt.Sprint(p.cmd.Process.Pid)
	for name, tt := range map[string]struct {
		args    []string
		perSent int // number of clients that receive each message
	}{
		"through Redis":         {[]string{"--redis", r.URL(), "--pid", pid}, 60},
		"through Redis, rooms":  {[]string{"--redis", r.URL(), "--rooms", "6"}, 10},
		"through Redis, bursts": {[]string{"--redis", r.URL(), "--burst", "50"}, 60},
		"by clients":            {[]string{"--rate", "50"}, 60},
		"by clients, rooms":     {[]string{"--rooms", "3"}, 20},
		"by clients, large":     {[]string{"--rate", "20", "--size", "20000"}, 60},
		"by clients, 100 KB":    {[]string{"--rate", "5", "--size", "100000"}, 60},
		"by clients, bursts":    {[]string{"--burst", "2000", "--size", "4000"}, 60},
	} {
		t.Run(name, func(t *testing.T) {
			got, p := measure(t, address, append(tt.args, "--clients", "60", "--duration", "1s")...)
			if got.Connected != 60 || got.Messages < 5 || got.Deliveries != got.Messages*int64(tt.perSent) {
				t.Errorf("%+v", got)
			}
			if got.Lost+got.Reordered+got.Repeated+got.Closed != 0 || got.LatencyMillis.P50 <= 0 || got.LatencyMillis.Max < got.LatencyMillis.P99 {
				t.Errorf("%+v", got)
			}
			if s := got.Server; (s != nil) != (name == "through Redis") || s != nil && (s.DeliveryCPUMicros <= 0 || s.ResidentBytes < 1e6) {
				t.Errorf("server: %+v", s)
			}
			if !strings.Contains(p.errors.text(), "60 of 60 clients are connected") {
				t.Error("it printed no progress")
			}
		})
	}
}

// bench can measure a server that listens only on IPv6. If a host has addresses of both
// kinds, it prefers IPv4 unless the server listens only on IPv6.
func TestBenchIPv6(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skipf("IPv6 is not available: %v", err)
	}
	t.Cleanup(func() { _ = l.Close() })
	p := start(t, nil, "serve", "--listen", "[::1]:0", "--dev")
	address, _, _ := strings.Cut(strings.TrimPrefix(p.line(), "listening on http://"), " ")
	if got, _ := measure(t, address, "--clients", "5", "--duration", "1s"); got.Deliveries < 5 || got.Lost+got.Closed != 0 {
		t.Errorf("%+v", got)
	}

	v4, v6 := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")
	only6 := netip.MustParseAddrPort(l.Addr().String()).Port()
	only4 := netip.MustParseAddrPort(strange(t, "")).Port()
	for _, tt := range []struct {
		ips  []netip.Addr
		port uint16
		want netip.Addr
	}{
		{[]netip.Addr{v6}, only6, v6},
		{[]netip.Addr{v6}, only4, v6}, // the only address
		{[]netip.Addr{v4}, only6, v4},
		{[]netip.Addr{v6, v4}, only4, v4},
		{[]netip.Addr{v4, v6}, only6, v6},
		{[]netip.Addr{v6, v4}, 1, v4}, // nothing listens
	} {
		if got := choose(t.Context(), tt.ips, tt.port); got != netip.AddrPortFrom(tt.want, tt.port) {
			t.Errorf("addresses %v, port %d: got %v", tt.ips, tt.port, got)
		}
	}
}

// With --encrypt, every message arrives as well, and none arrives unencrypted.
func TestBenchEncrypted(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	r := redistest.Start(t)
	_, address := serve(t, nil, "--dev", "--encryption", "required", "--redis", r.URL())
	for name, args := range map[string][]string{
		"through Redis": {"--redis", r.URL(), "--burst", "50"},
		"by clients":    {"--rate", "50", "--rooms", "3"},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := measure(t, address, append(args, "--encrypt", "--clients", "60", "--duration", "1s")...)
			if got.Connected != 60 || got.Deliveries < 60 || got.Lost+got.Reordered+got.Repeated+got.Closed != 0 {
				t.Errorf("%+v", got)
			}
		})
	}
}

// Clients that the server closes before messages are sent are reported as a failure.
func TestBenchClosedBefore(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	for code, hint := range map[ws.StatusCode]string{
		4999:                                     "comes from the application",
		ws.StatusCode(wire.CloseAuthFailed):      "authentication failed: check that the token",
		ws.StatusCode(wire.CloseAuthTimeout):     "--auth-timeout",
		ws.StatusMessageTooBig:                   "--max-payload",
		ws.StatusCode(wire.CloseGoingAway):       "the server was shut down",
		ws.StatusNoStatusRcvd:                    "--backpressure-limit", // no close frame
		ws.StatusCode(wire.CloseTooManyMessages): "--behind-timeout",
	} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			address := echo(t, code, func(client int) bool { return client < 2 })
			p := start(t, nil, "bench", "--json", "--url", "ws://"+address+"/ws", "--clients", "3", "--duration", "1s")
			if code := p.wait(); code != exitFailed {
				t.Errorf("exit code %d", code)
			}
			var got benchResult
			if err := json.Unmarshal([]byte(p.lines.text()), &got); err != nil || got.ClosedBefore != 2 || got.Closed+got.Lost != 0 || got.Deliveries == 0 {
				t.Errorf("%v, %+v", err, got)
			}
			want := fmt.Sprintf(`the server closed 2 clients, 2 of them before the measurement: 2 times: closed with %d "enough"`, code)
			if code == ws.StatusNoStatusRcvd {
				want = "2 times: the server closed the connection"
			}
			_, after, _ := strings.Cut(p.errors.text(), "hint: ")
			if !strings.Contains(p.errors.text(), want) || !strings.Contains(after, hint) {
				t.Errorf("got %s, want %s with the hint %s", p.errors.text(), want, hint)
			}
		})
	}
}

// The clients close their connections, so that the server does not count them as lost. An interrupt
// does not change that.
func TestBenchClosesItsConnections(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	p, address := serve(t, nil, "--dev", "--log-level", "info", "--metrics-listen", "127.0.0.1:0")
	url := metricsURL(p)
	for i, args := range [][]string{{"--duration", "100ms"}, {"--duration", "1h"}, {"--duration", "100ms", "--rooms", "3"}} {
		b := start(t, nil, append([]string{"bench", "--url", "ws://" + address + "/ws", "--clients", "50"}, args...)...)
		if args[1] == "1h" {
			b.logged("deliveries/s")
			b.signal(os.Interrupt)
		}
		if code := b.wait(); code != 0 {
			t.Errorf("%q: exit code %d", args, code)
		}
		expectMetrics(t, url, fmt.Sprintf(`ignis_closes_total{cause="client closed",code="1000"} %d`, 50*(i+1)))
	}
}

// An interrupt ends the measurement early, and the result so far is printed.
func TestBenchInterrupted(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	_, address := serve(t, nil, "--dev")
	p := start(t, nil, "bench", "--url", "ws://"+address+"/ws", "--clients", "5", "--duration", "1h")
	p.logged("deliveries/s")
	p.signal(os.Interrupt)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if out := p.lines.text(); !strings.Contains(out, "0 lost") || !strings.Contains(out, "interrupted") {
		t.Errorf("it printed %s", out)
	}
}

// If the server or Redis dies, the figures so far are printed.
func TestBenchEndsEarly(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	for name, row := range map[string]struct {
		kill func(server *process, redis *redistest.Server)
		args []string
		want string
	}{
		"the server, by clients": {func(p *process, _ *redistest.Server) { p.signal(os.Kill) }, nil, ""},
		"the server":             {func(p *process, _ *redistest.Server) { p.signal(os.Kill) }, []string{"--redis", "URL"}, ""},
		"Redis":                  {func(_ *process, r *redistest.Server) { r.Kill() }, []string{"--redis", "URL"}, "hint: is Redis running"},
	} {
		t.Run(name, func(t *testing.T) {
			r := redistest.Start(t)
			srv, address := serve(t, nil, "--dev", "--redis", r.URL())
			args := []string{"bench", "--url", "ws://" + address + "/ws", "--clients", "20", "--rate", "50", "--pid", fmt.Sprint(srv.cmd.Process.Pid)}
			for _, a := range row.args {
				args = append(args, strings.ReplaceAll(a, "URL", r.URL()))
			}
			p := start(t, nil, args...)
			p.logged("deliveries/s")
			row.kill(srv, r)
			if code := p.wait(); code != exitFailed || !strings.Contains(p.errors.text(), row.want) {
				t.Errorf("exit code %d, got %s", code, p.errors.text())
			}
			var n int
			_, after, ok := strings.Cut(p.lines.text(), "deliveries ")
			if _, err := fmt.Sscan(after, &n); !ok || err != nil || n < 20 {
				t.Errorf("no figures in:\n%s", p.lines.text())
			}
		})
	}
}

// The error and the hint explain why a measurement is not possible.
func TestBenchFailures(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	r := redistest.Start(t)
	_, withToken := serve(t, []string{"IGNIS_JWT_SECRET=" + strings.Repeat("s", 40)})
	_, dev := serve(t, nil, "--dev")
	_, withoutKeys := serve(t, nil, "--dev", "--encryption", "off")
	_, encrypted := serve(t, nil, "--dev", "--encryption", "required")
	const accepted = "HTTP/1.1 101 Well\r\nsec-websocket-accept:ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n\r\n"
	for name, tt := range map[string]struct {
		url  string
		args []string
		want string
		hint string
	}{
		"no server":          {"ws://127.0.0.1:1/ws", nil, "connection refused", "an Ignis server running there"},
		"no upgrade":         {"ws://" + dev + "/other", nil, "404 Not Found", "the path correct"},
		"a login":            {"ws://" + strange(t, "HTTP/1.1 401 Unauthorized\r\n\r\n") + "/ws", nil, "401 Unauthorized", "requires a login"},
		"a redirect":         {"ws://" + strange(t, "HTTP/1.0 301 Moved\r\nLocation: https://h/ws?t=s3cret\r\n\r\n") + "/ws", nil, "301 Moved", "redirects to wss://h/ws; "},
		"a broken server":    {"ws://" + strange(t, "HTTP/1.1 500 \r\n\r\n") + "/ws", nil, "500", "its log may have the reason"},
		"a Redis":            {"ws://" + strings.TrimPrefix(strings.TrimSuffix(r.URL(), "/0"), "redis://"), nil, "the server closed the connection", "an Ignis server running there"},
		"no accept key":      {"ws://" + strange(t, "HTTP/1.1 101 Well\r\n\r\n") + "/ws", nil, `has Sec-WebSocket-Accept "", want "ICX+`, "connect to the server directly"},
		"wrong accept key":   {"ws://" + strange(t, strings.Replace(accepted, "ICX", "ABC", 1)) + "/ws", nil, `has Sec-WebSocket-Accept "ABC+Yqv66`, "connect to the server directly"},
		"garbage":            {"ws://" + strange(t, accepted+"\xff\xff\xff\xff") + "/ws", nil, "invalid or very large WebSocket frame", "an Ignis server"},
		"closes":             {"ws://" + strange(t, accepted+string(ws.MustCompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(4999, "go away"))))) + "/ws", nil, `closed with 4999 "go away"`, "from the application"},
		"does not encrypt":   {"ws://" + withoutKeys + "/ws", []string{"--encrypt"}, "the server does not support encryption", "leave out --encrypt"},
		"only encrypted":     {"ws://" + encrypted + "/ws", nil, "4004", "use --encrypt to agree"},
		"silent":             {"ws://" + strange(t, "") + "/ws", nil, "timeout: 0 of 2 clients are connected, 0 closed, 0 deliveries are missing; 2 are waiting for the answer to the WebSocket handshake", "an Ignis server"},
		"silent later":       {"ws://" + strange(t, accepted) + "/ws", nil, "2 are waiting for the answer to the authenticate event", "an Ignis server"},
		"credentials":        {"ws://" + withToken + "/ws", nil, "4003", "authentication failed: check that the token in --token"},
		"nothing relayed":    {"ws://" + dev + "/ws", []string{"--redis", r.URL()}, "nothing arrived", ""},
		"no such process":    {"ws://" + dev + "/ws", []string{"--pid", "4194303"}, "CPU clock of process 4194303", ""},
		"a negative process": {"ws://" + dev + "/ws", []string{"--pid=-5"}, "--pid: expected a process ID from 1 to 4194303", ""},
		"process 0":          {"ws://" + dev + "/ws", []string{"--pid=0"}, "--pid: expected a process ID from 1 to 4194303", ""},
		"TLS":                {"wss://" + dev + "/ws", nil, "wss:// is not supported", ""},
		"too many":           {"ws://" + dev + "/ws", []string{"--clients", "2000000000"}, "descriptors", ""},
		"more rooms":         {"ws://" + dev + "/ws", []string{"--rooms", "3"}, "--rooms", ""},
		"a rate of 0":        {"ws://" + dev + "/ws", []string{"--rate", "0"}, "--rate", ""},
		"a tiny rate":        {"ws://" + dev + "/ws", []string{"--rate", "1e-10"}, "--rate: expected a number from 0.001 to 100000", ""},
		"a rate that is NaN": {"ws://" + dev + "/ws", []string{"--rate", "NaN"}, "--rate: expected a number from 0.001 to 100000", ""},
		"an infinite rate":   {"ws://" + dev + "/ws", []string{"--rate", "+Inf"}, "--rate: expected a number from 0.001 to 100000", ""},
		"a huge size":        {"ws://" + dev + "/ws", []string{"--size", "1000000"}, "--size", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"bench", "--url", tt.url, "--clients", "2", "--duration", "1s"}, tt.args...)
			p := start(t, nil, args...)
			if code := p.wait(); code != exitFailed && code != exitUsage {
				t.Errorf("exit code %d", code)
			}
			text := p.errors.text()
			_, hint, _ := strings.Cut(text, "hint: ")
			if !strings.Contains(text, tt.want) || !strings.Contains(hint, tt.hint) || strings.Contains(text, "s3cret") {
				t.Errorf("got %s, want %s with the hint %s", text, tt.want, tt.hint)
			}
		})
	}
}

// strange starts a server that sends the same answer on every connection, and returns its
// address.
func strange(t *testing.T, answer string) string {
	return server(t, func(c net.Conn, _ int) {
		_, _ = io.WriteString(c, answer)
		_, _ = io.Copy(io.Discard, c)
	})
}

// echo starts a server that accepts everyone and sends back what each client sends, and
// returns its address. It immediately closes clients for which unwanted returns true with
// code, or without a close frame if code is 1005. The first client has the number 0.
func echo(t *testing.T, code ws.StatusCode, unwanted func(client int) bool) string {
	return server(t, func(c net.Conn, client int) {
		if _, err := ws.Upgrade(c); err != nil {
			return
		}
		for first := true; ; first = false {
			head, err := ws.ReadHeader(c)
			if err != nil || head.Length > 1<<20 {
				return
			}
			payload := make([]byte, head.Length)
			if _, err := io.ReadFull(c, payload); err != nil {
				return
			}
			ws.Cipher(payload, head.Mask, 0)
			f := ws.NewFrame(head.OpCode, true, payload)
			if first {
				f = ws.NewTextFrame([]byte(`{"event":"connected","data":{}}`))
			}
			if ws.WriteFrame(c, f) != nil {
				return
			}
			if first && unwanted(client) {
				if code != ws.StatusNoStatusRcvd {
					_ = ws.WriteFrame(c, ws.NewCloseFrame(ws.NewCloseFrameBody(code, "enough")))
				}
				return
			}
		}
	})
}

// server starts a server that calls serve for each connection, and returns its address.
// The first connection has the number 0.
func server(t *testing.T, serve func(c net.Conn, number int)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for number := 0; ; number++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				serve(c, number)
			}()
		}
	}()
	return l.Addr().String()
}
