package app

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/loglimit"
)

// What net/http says again and again is one line, and the number of the others.
func TestHTTPLog(t *testing.T) {
	var out bytes.Buffer
	limit := loglimit.New(textLogger(&out))
	w := httpLog{limit}
	for i := range 50 {
		fmt.Fprintf(w, "http: Accept error: accept tcp: too many open files; retrying in %dms\n", i)
		fmt.Fprintf(w, "http: TLS handshake error from 10.0.0.%d\n", i)
	}
	fmt.Fprintf(w, "http: panic serving 10.0.0.1:5: \x1b[2J\ngoroutine 1 [running]:\nmain.main()\n")
	limit.Close()
	text := out.String()
	if strings.Count(text, "\n") != 3 || !strings.Contains(text, `level=ERROR msg="HTTP server" error="http: Accept error: accept tcp: too many open files"`) ||
		!strings.Contains(text, "more=49") || !strings.Contains(text, `5: \\u001b[2J" stack="goroutine 1 [running]:\nmain.main()"`) {
		t.Errorf("logged:\n%s", text)
	}
}
