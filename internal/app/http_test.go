package app

import (
	"bytes"
	"strings"
	"testing"

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
	limit.Close()
	text := out.String()
	if strings.Count(text, "\n") != 3 || !strings.Contains(text, `level=ERROR msg="HTTP server" error="http: Accept error: accept tcp: too many open files"`) ||
		!strings.Contains(text, "more=49") || !strings.Contains(text, `5: \\u001b[2J" stack="goroutine 1 [running]:\nmain.main()"`) {
		t.Errorf("logged:\n%s", text)
	}
}
