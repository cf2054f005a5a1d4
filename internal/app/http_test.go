package app

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ignis-go/ignis/internal/loglimit"
)

// Repeated log lines of net/http become one line and a count.
func TestHTTPLog(t *testing.T) {
	var out bytes.Buffer
	limit := loglimit.New(textLogger(&out))
	log := newHTTPServer(nil, limit).ErrorLog
	for i := range 50 {
		log.Printf("http: Accept error: accept tcp: too many open files; retrying in %dms\n", i)
		log.Printf("http: TLS handshake error from 10.0.0.%d\n", i)
	}
	log.Printf("http: panic serving 10.0.0.1:5: \x1b[2J\ngoroutine 1 [running]:\nmain.main()\n")
	const line = "http: TLS handshake error from 10.0.0.1\n"
	if n, err := log.Writer().Write([]byte(line)); n != len(line) || err != nil {
		t.Errorf("a line was written as %d bytes, %v", n, err)
	}
	limit.Close()
	text := out.String()
	if strings.Count(text, "\n") != 3 || !strings.Contains(text, `level=ERROR msg="HTTP server" error="http: Accept error: accept tcp: too many open files"`) ||
		!strings.Contains(text, "more=49") || !strings.Contains(text, `5: \\u001b[2J" stack="goroutine 1 [running]:\nmain.main()"`) {
		t.Errorf("logged:\n%s", text)
	}
}

// A request that is being handled when the server ends gets its answer if that is ready within a
// second. Otherwise its connection is closed.
func TestRequestsDuringShutdown(t *testing.T) {
	request := "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"
	inLobby(t, 10, func(l *lobby) {
		quick := l.dial(request)
		closing := start(func() error { closeHTTP(l.server); return nil })
		synctest.Wait()
		close(l.hold)
		response, err := http.ReadResponse(bufio.NewReader(quick), nil)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("got %+v, %v", response, err)
		}
		_ = response.Body.Close()
		<-closing.done
	})
	inLobby(t, 10, func(l *lobby) {
		slow := l.dial(request)
		closeHTTP(l.server)
		if n, err := slow.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("a slow request: %d bytes, %v", n, err)
		}
		close(l.hold)
	})
}

// The header of a request may have about 8 KiB.
func TestLargeHeaders(t *testing.T) {
	r := run(t, production())
	for size, want := range map[int]int{8000: http.StatusOK, 9000: http.StatusRequestHeaderFieldsTooLarge} {
		nc, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		head, end := "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Padding: ", "\r\n\r\n"
		if _, err := io.WriteString(nc, head+strings.Repeat("x", size-len(head)-len(end))+end); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil || response.StatusCode != want {
			t.Errorf("%d bytes: %+v, %v", size, response, err)
			continue
		}
		_ = response.Body.Close()
	}
}
