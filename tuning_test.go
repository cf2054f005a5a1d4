package ignis_test

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis"
)

// SetLimits takes effect for clients that are connected as well, and disconnects nobody.
func TestSetLimits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{Accept: from, MaxRooms: 2, MaxClientsPerAddress: 2, ValidateRooms: allRooms})
		p := n.loginFrom("192.0.2.1:1", "ann")
		p.join(names("a", "b", "c"))
		if got := p.rooms(); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("before: in %q", got)
		}
		if err := n.SetLimits(ignis.Config{MaxRooms: 3, MaxClientsPerAddress: 1}); err != nil {
			t.Fatal(err)
		}
		p.join(names("c", "d"))
		if got := p.rooms(); !slices.Equal(got, []string{"a", "b", "c"}) {
			t.Errorf("after: in %q", got)
		}
		if status, _, _ := n.attempt("192.0.2.1:2"); status != http.StatusTooManyRequests {
			t.Errorf("a second connection: status %d", status)
		}
		if err := n.SetLimits(ignis.Config{MaxRooms: -1}); err == nil {
			t.Error("a negative limit was accepted")
		}
		p.join(names("d"))
		if got := p.rooms(); !slices.Equal(got, []string{"a", "b", "c"}) {
			t.Errorf("after an error: in %q", got)
		}
		if err := n.SetLimits(ignis.Config{}); err != nil { // the defaults
			t.Fatal(err)
		}
		p.join(names("d"))
		if got := p.rooms(); !slices.Equal(got, []string{"a", "b", "c", "d"}) {
			t.Errorf("with the defaults: in %q", got)
		}
		n.loginFrom("192.0.2.1:3", "ben")
	})
}

// A higher rate of joins takes effect immediately, even if the client has used so much that it
// would have taken hours to regain it at the previous rate.
func TestSetLimitsOfWaitingJoins(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{ValidateRooms: allRooms, MaxRooms: 1000, JoinRate: 1, JoinBurst: 1000})
		p := n.login("ann")
		for range 1000 {
			p.join(names("a"))
		}
		if err := n.SetLimits(ignis.Config{MaxRooms: 10, JoinRate: 10, JoinBurst: 10}); err != nil {
			t.Fatal(err)
		}
		p.join(names("b"))
		time.Sleep(time.Second)
		p.join(names("c"))
		if got := p.rooms(); !slices.Equal(got, []string{"a", "c"}) {
			t.Errorf("in %q", got)
		}
	})
}

// A server that does not exist has no limits.
func TestSetLimitsOfNil(t *testing.T) {
	if err := (*ignis.Server)(nil).SetLimits(ignis.Config{}); !errors.Is(err, ignis.ErrNotRunning) {
		t.Errorf("SetLimits = %v", err)
	}
}

// The comment on SetLimits lists the fields that it replaces.
func TestSetLimitsIsDocumented(t *testing.T) {
	text := source(t, "tuning.go")
	_, comment, _ := strings.Cut(text, "// SetLimits replaces limits")
	comment, _, _ = strings.Cut(comment, "func (s *Server)")
	for _, m := range regexp.MustCompile(`from\.(\w+)`).FindAllStringSubmatch(text, -1) {
		if !regexp.MustCompile(`\b` + m[1] + `\b`).MatchString(comment) {
			t.Errorf("the comment on SetLimits does not mention %s", m[1])
		}
	}
}
