package printable

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// Errors about answers that are not HTTP do not contain the answer. The test uses a real
// connection, because the texts are those of net/http.
func TestHTTPError(t *testing.T) {
	for _, answer := range []string{
		"s3cr3t\r\n\r\n", "GET /?key=s3cr3t HTTP/1.1\r\n\r\n", "HTTP/1.1 s3cr3t OK\r\n\r\n", "HTTP/s3cr3t 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\ns3cr3t\r\n\r\n", "HTTP/1.1 200 OK\r\n: s3cr3t\r\n\r\n", "HTTP/1.1 200 OK\r\n s3cr3t: 1\r\n\r\n", "HTTP/1.1 200 OK\r\ns3cr3t x: 1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: s3cr3t\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: s3cr3t\r\n\r\n",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			_, _ = http.ReadRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, answer)
		}()
		transport := &http.Transport{DisableKeepAlives: true}
		request, err := http.NewRequest(http.MethodGet, "http://"+l.Addr().String()+"/?key=s3cr3t", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := transport.RoundTrip(request)
		_ = l.Close()
		if err == nil {
			_ = res.Body.Close()
			continue // net/http accepts some of them
		}
		if text := HTTPError(err).Error(); strings.Contains(text, "s3cr3t") || text == "" {
			t.Errorf("%q: %s", answer, text)
		}
	}
	if err := io.ErrUnexpectedEOF; HTTPError(err) != err {
		t.Error("another error has changed")
	}
}
