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

// Reason is why a client's connection did not come about, or has ended.
type Reason struct {
	Text string // all of it, in words
	// Status is that of the HTTP answer to the handshake, where that is the reason: 101
	// with an answer that is none to a client of WebSocket. 0: it is not.
	Status   int
	Location string // of a redirect, without the query, and as a ws or wss URL if it is one
	Code     uint16 // of the server's close frame; 0: there was none, or none in it
	Plain    bool   // the server does not encrypt
}

// errPlain is for a server that does not encrypt.
var errPlain = errors.New("the server does not encrypt")

// Failed returns what most connections failed for that did not come about; the zero
// Reason when none did.
func (h *Herd) Failed() Reason { return h.failures.most() }

// Closed returns what most clients were closed for, since New; the zero Reason when none
// were.
func (h *Herd) Closed() Reason { return h.closes.most() }

// Closes returns why the server closed clients, since New; empty when it closed none.
func (h *Herd) Closes() string { return h.closes.String() }

// describe is an error with how far the herd has come.
func (h *Herd) describe(err error) error {
	why := ""
	for _, s := range []string{h.failures.String(), h.stuck()} {
		if s != "" {
			why += "; " + s
		}
	}
	return fmt.Errorf("%w: %d of %d clients are in, %d closed, %d deliveries are missing%s",
		err, h.live, len(h.conns), h.closed, h.expected, why)
}

// stuck says what clients wait for that are neither in nor gone.
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
		{dialing, "to be connected (is the port filtered?)"},
		{upgrading, "for the answer to the WebSocket handshake"},
		{entering, "for the answer to the authenticate event"},
	} {
		if p.n > 0 {
			s = append(s, fmt.Sprintf("%d wait %s", p.n, p.what))
		}
	}
	return strings.Join(s, ", ")
}

// reasons counts what went wrong. Of the reasons, which come from the server, only
// so many are told apart.
type reasons map[Reason]int64

func (r reasons) add(why Reason) {
	if _, known := r[why]; !known && len(r) >= 8 {
		why = Reason{Text: "other reasons"}
	}
	r[why]++
}

// sorted returns the reasons in the order of their texts.
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

// refusal returns what is wrong with the head of an answer to the handshake; nothing if
// it is as it has to be.
func refusal(head []byte) (why Reason, refused bool) {
	line, _, _ := bytes.Cut(head, []byte("\r\n"))
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 101 ")) {
		why.Text = fmt.Sprintf("the server does not upgrade: %.80q", line)
		var minor int
		if _, err := fmt.Sscanf(string(line), "HTTP/1.%1d %3d", &minor, &why.Status); err == nil && why.Status/100 == 3 {
			why.Location = location(head)
		}
		return why, true
	}
	if got := header(head, "Sec-WebSocket-Accept"); got != accept {
		return Reason{
			Text:   fmt.Sprintf("the server's answer 101 has the Sec-WebSocket-Accept %.40q, and not %q, which goes with the key of the request", got, accept),
			Status: 101,
		}, true
	}
	return why, false
}

// location returns where a redirect leads to, without what may be secret.
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
