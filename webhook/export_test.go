package webhook

import (
	"net/http"
	"time"

	"github.com/ignis-go/ignis"
)

// UsesProxies reports whether c may connect through a proxy. package net/http reads the
// environment only once in a process, so a test cannot observe it.
func UsesProxies(c *Client) bool { return c.transport.Proxy != nil }

// ReadIdentity, ReadRooms, ReadReply, RetryAfter and TextForLog are for fuzz tests.

func ReadIdentity(status int, body []byte) (ignis.Identity, error) {
	return readIdentity(answer{status: status, body: body}, 1000)
}

func ReadRooms(status int, body []byte, asked []string) ([]string, error) {
	return readRooms(answer{status: status, body: body}, asked)
}

func ReadReply(status int, body []byte) ([]byte, error) {
	return readReply(answer{status: status, body: body})
}

func RetryAfter(value string, now time.Time) time.Duration {
	return retryAfter(http.Header{"Retry-After": {value}}, now)
}

func TextForLog(answer, request []byte) string {
	return textForLog(http.Header{"Content-Type": {"text/plain"}}, answer, request)
}
