//go:build linux

package herd

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Reason is why a client's connection failed or ended.
type Reason struct {
	Text string // complete description
	// Status is the HTTP status of the response to the handshake, if that is the reason. It
	// is 101 if the response is not a valid WebSocket handshake.
	Status   int
	Location string // target of a redirect without its query, as a ws or wss URL if it is absolute
	Code     uint16 // code in the server's close frame, or 0
	Plain    bool   // whether the server does not support encryption
}

// errPlain is the reason if the server does not support encryption.
var errPlain = errors.New("the server does not support encryption")

// Failed returns the most frequent reason of failed connections, or the zero Reason if none failed.
func (h *Herd) Failed() Reason { return h.failures.most() }

// Closed returns the most frequent reason why connections have been closed by the server, or the zero
// Reason if there were none.
func (h *Herd) Closed() Reason { return h.closes.most() }

// Closes describes why the server has closed connections. It is empty if there were none.
func (h *Herd) Closes() string { return h.closes.String() }

// describe wraps an error with the state of the herd.
func (h *Herd) describe(err error) error {
	why := ""
	for _, s := range []string{h.failures.String(), h.stuck()} {
		if s != "" {
			why += "; " + s
		}
	}
	return fmt.Errorf("%w: %d of %d clients are connected, %d closed, %d deliveries are missing%s",
		err, h.live, len(h.conns), h.closed, h.expected, why)
}

// stuck describes what the clients that are being connected are waiting for.
func (h *Herd) stuck() string {
	var dialing, upgrading, entering int
	for _, c := range h.conns {
		switch c.phase {
		case phaseDialing:
			dialing++
		case phaseUpgrading:
			upgrading++
		case phaseEntering:
			entering++
		}
	}
	var s []string
	for _, p := range []struct {
		n    int
		what string
	}{
		{dialing, "for the connection (is the port filtered?)"},
		{upgrading, "for the answer to the WebSocket handshake"},
		{entering, "for the answer to the authenticate event"},
	} {
		if p.n > 0 {
			s = append(s, fmt.Sprintf("%d are waiting %s", p.n, p.what))
		}
	}
	return strings.Join(s, ", ")
}

// reasons counts reasons. Because they depend on the server, the number of different reasons is
// limited.
type reasons map[Reason]int64

func (r reasons) add(why Reason) {
	if _, known := r[why]; !known && len(r) >= 8 {
		why = Reason{Text: "other reasons"}
	}
	r[why]++
}

// sorted returns the reasons sorted by their texts.
func (r reasons) sorted() []Reason {
	return slices.SortedFunc(maps.Keys(r), func(a, b Reason) int { return cmp.Compare(a.Text, b.Text) })
}

func (r reasons) String() string {
	var s []string
	for _, why := range r.sorted() {
		s = append(s, fmt.Sprintf("%d times: %s", r[why], why.Text))
	}
	return strings.Join(s, "; ")
}

// most returns the most frequent reason.
func (r reasons) most() (most Reason) {
	for _, why := range r.sorted() {
		if r[why] > r[most] {
			most = why
		}
	}
	return most
}

// refusal reports whether the head of a response to the handshake is invalid, and returns the reason.
func refusal(head []byte) (why Reason, refused bool) {
	line, _, _ := bytes.Cut(head, []byte("\r\n"))
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 101 ")) {
		why.Text = fmt.Sprintf("the server refused the upgrade: %.80q", line)
		var minor int
		if _, err := fmt.Sscanf(string(line), "HTTP/1.%1d %3d", &minor, &why.Status); err == nil && why.Status/100 == 3 {
			why.Location = location(head)
		}
		return why, true
	}
	if got := header(head, "Sec-WebSocket-Accept"); got != accept {
		return Reason{
			Text:   fmt.Sprintf("the server's 101 response has Sec-WebSocket-Accept %.40q, want %q for the key in the request", got, accept),
			Status: 101,
		}, true
	}
	return why, false
}

// location returns the target of a redirect, without parts that may be secret.
func location(head []byte) string {
	to := header(head, "Location")
	if i := strings.IndexAny(to, "?#"); i >= 0 {
		to = to[:i]
	}
	if strings.HasPrefix(to, "http://") || strings.HasPrefix(to, "https://") {
		to = "ws" + strings.TrimPrefix(to, "http")
	}
	if len(to) > 200 {
		return ""
	}
	return to
}

// header returns the value of a field in the head of an HTTP message.
func header(head []byte, name string) string {
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		if key, value, ok := bytes.Cut(line, []byte(":")); ok && strings.EqualFold(string(key), name) {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}
