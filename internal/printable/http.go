package printable

import (
	"errors"
	"strings"
)

// notHTTP is part of the errors of net/http about an answer that is not HTTP.
const notHTTP = "HTTP/1.x transport connection broken"

// HTTPError returns an error of a request without what it quotes of the answer. Errors of
// net/http about an answer that is not HTTP quote its first lines, and a server that is not an
// HTTP server may repeat the request in them, with the query of the URL and credentials.
func HTTPError(err error) error {
	text, _, quotes := strings.Cut(err.Error(), `"`)
	if !quotes || !strings.Contains(text, notHTTP) {
		return err
	}
	return errors.New(strings.TrimRight(text, ": "))
}
