package acmecert

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/acme"

	"github.com/ignis-go/ignis/internal/certtest"
)

// After a failure, the delay grows, and no request is sent before it has passed.
func TestFailure(t *testing.T) {
	a := newRefusing(t, problem(http.StatusForbidden, "rejectedIdentifier", ""))
	c, book := config(t, a)
	m := open(t, c)
	if wait := m.round(t.Context()); wait <= 50*time.Second || wait > time.Minute {
		t.Errorf("the next round is in %v", wait)
	}
	requests := a.requests.Load()
	m.round(t.Context())
	again := open(t, c) // after a restart
	again.round(t.Context())
	if n := a.requests.Load(); n != requests {
		t.Errorf("%d more requests", n-requests)
	}
	if f := again.list[0].lastFailure(); f.Count != 1 || !strings.Contains(f.Error, "no luck") || !strings.Contains(f.Advice, "another authority") {
		t.Errorf("it remembers %+v", f)
	}
	if s := m.Stats(); s.Failed != 1 || s.Issued != 0 || s.Missing != 1 {
		t.Errorf("%+v", s)
	}
	if n := book.Count("could not obtain a TLS certificate; clients cannot connect to this name"); n != 1 {
		t.Errorf("logged %d times: %s", n, book)
	}
	// Deleting the file lets the next order begin.
	if err := os.Remove(m.store.path(domainName + failedSuffix)); err != nil {
		t.Fatal(err)
	}
	m.round(t.Context())
	if s := m.Stats(); s.Failed != 2 {
		t.Errorf("%+v", s)
	}
}

// With a rate limit, the authority says how long to wait, and is not asked again before.
func TestRateLimit(t *testing.T) {
	a := newRefusing(t, problem(http.StatusTooManyRequests, "rateLimited", "7200"))
	c, _ := config(t, a)
	m := open(t, c)
	m.round(t.Context())
	if wait := m.list[0].wait(time.Now()); wait < 119*time.Minute || wait > 2*time.Hour {
		t.Errorf("the next order is in %v", wait)
	}
	if n := a.requests.Load(); n != 3 { // directory, account, order
		t.Errorf("%d requests", n)
	}
}

func TestDelay(t *testing.T) {
	m := &Manager{times: defaultTimes}
	refused := &acme.Error{ProblemType: "urn:ietf:params:acme:error:dns"}
	offline := &url.Error{Err: &net.OpError{Err: errors.New("refused")}}
	limited := &acme.Error{ProblemType: "urn:ietf:params:acme:error:rateLimited", Header: http.Header{"Retry-After": {"900000"}}}
	for _, test := range []struct {
		count int
		err   error
		want  time.Duration
	}{
		{1, refused, time.Minute},
		{2, refused, 2 * time.Minute},
		{6, refused, 32 * time.Minute},
		{7, refused, time.Hour},
		{1000, refused, time.Hour},
		{1, offline, time.Minute},
		{4, offline, 5 * time.Minute},
		{1000, offline, 5 * time.Minute},
		{1, limited, 24 * time.Hour},
		{1, &challengeError{challengeTLS, limited}, 24 * time.Hour},
	} {
		if got := m.delay(test.count, test.err); got != test.want {
			t.Errorf("after %d times %v: %v, want %v", test.count, test.err, got, test.want)
		}
	}
}

// If the process is killed while it orders, the order counts as failed.
func TestKilledDuringOrder(t *testing.T) {
	seen := make(chan failure, 1)
	var m *Manager
	a := newRefusing(t, func(w http.ResponseWriter, r *http.Request) {
		seen <- m.store.failure(domainName)
		problem(http.StatusForbidden, "unauthorized", "")(w, r)
	})
	c, _ := config(t, a)
	m = open(t, c)
	m.round(t.Context())
	if f := <-seen; f.Count != 1 || !f.Next.After(time.Now()) || !strings.Contains(f.Error, "the process ended") {
		t.Errorf("during the order, it remembers %+v", f)
	}
}

// An order that is interrupted by a shutdown is not a failure.
func TestInterrupt(t *testing.T) {
	ordering := make(chan struct{})
	release := make(chan struct{})
	a := newRefusing(t, func(http.ResponseWriter, *http.Request) {
		close(ordering)
		<-release
	})
	c, book := config(t, a)
	m := open(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Run(ctx)
	}()
	<-ordering
	cancel()
	<-done
	close(release)
	if f := m.store.failure(domainName); f.Count != 0 || m.Stats().Failed != 0 || book.Count("could not obtain a TLS certificate; clients cannot connect to this name") != 0 {
		t.Errorf("it remembers %+v, and logged %s", f, book)
	}
}

// If the folder cannot be written to, nothing is ordered, because the certificate would be lost.
func TestUnwritableFolder(t *testing.T) {
	a := newRefusing(t, problem(http.StatusForbidden, "unauthorized", ""))
	c, _ := config(t, a)
	m := open(t, c)
	for _, name := range []string{lockFile, domainName + failedSuffix} {
		if err := os.Mkdir(m.store.path(name), 0o700); err != nil { // a read-only folder does not stop root
			t.Fatal(err)
		}
		m.list[0].setFailure(failure{}, true)
		m.round(t.Context())
		m.round(t.Context())
		if n := a.requests.Load(); n != 0 {
			t.Errorf("%s: %d requests", name, n)
		}
		if f := m.list[0].lastFailure(); f.Count != 1 || !strings.Contains(f.Error, "write to the folder") {
			t.Errorf("%s: it remembers %+v", name, f)
		}
		for _, left := range []string{lockFile, domainName + failedSuffix} {
			if err := m.store.remove(left); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A damaged key of the account is reported, and not replaced.
func TestDamagedAccountKey(t *testing.T) {
	a := newRefusing(t, problem(http.StatusForbidden, "unauthorized", ""))
	c, _ := config(t, a)
	for _, text := range []string{"no PEM", "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n", strings.Repeat("x", maxStoredFile+1)} {
		m := open(t, c)
		certtest.WriteFile(t, m.store.path(accountFile), []byte(text))
		if err := m.store.remove(domainName + failedSuffix); err != nil {
			t.Fatal(err)
		}
		m.round(t.Context())
		if f := m.list[0].lastFailure(); !strings.Contains(f.Error, "key of the account: ") || !strings.Contains(f.Error, accountFile) {
			t.Errorf("%.20q: %s", text, f.Error)
		}
		if got, err := os.ReadFile(m.store.path(accountFile)); err != nil || string(got) != text {
			t.Errorf("%.20q: the file has changed: %v", text, err)
		}
	}
	if n := a.requests.Load(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// The log says after a restart which domains wait, and only those.
func TestTellWaiting(t *testing.T) {
	c, book := config(t, nil)
	c.Domains = append(c.Domains, "b.example.com", "c.example.com")
	m := open(t, c)
	for name, next := range map[string]time.Duration{domainName: time.Hour, "b.example.com": -time.Hour} {
		if err := m.store.writeFailure(name, failure{Count: 1, Next: time.Now().Add(next), Error: "no luck"}); err != nil {
			t.Fatal(err)
		}
	}
	m = open(t, c)
	m.tellWaiting()
	const message = "earlier orders of a TLS certificate failed, so the next one has to wait; to order immediately, delete the file and restart"
	if n := book.Count(message); n != 1 || !strings.Contains(book.String(), "names="+domainName) {
		t.Errorf("logged %d times: %s", n, book)
	}
	// A delay of more than a day is due to a clock that was set back.
	if err := m.store.writeFailure(domainName, failure{Count: 1, Next: time.Now().Add(48 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if f := m.store.failure(domainName); f.Count != 0 {
		t.Errorf("it remembers %+v", f)
	}
}

// Only one process orders at a time.
func TestLock(t *testing.T) {
	a := newRefusing(t, problem(http.StatusForbidden, "unauthorized", ""))
	c, _ := config(t, a)
	first, second := open(t, c), open(t, c)
	unlock, ok, err := first.store.tryLock()
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if wait := second.round(t.Context()); wait != defaultTimes.busy || a.requests.Load() != 0 {
		t.Errorf("%d requests, and the next round in %v", a.requests.Load(), wait)
	}
	unlock()
	second.round(t.Context())
	if a.requests.Load() == 0 {
		t.Error("no requests")
	}
}

// A certificate is due when a third of its lifetime is left, and up to a thirtieth later.
func TestDue(t *testing.T) {
	ca := certtest.NewAuthority(t, "ca")
	const year = 365 * 24 * time.Hour // for which certificates of certtest have been valid
	for left, due := range map[time.Duration]bool{year: false, 2 * year / 3: false, 3 * year / 10: true, -time.Hour: true} {
		c, _ := config(t, nil)
		m := open(t, c)
		put(t, m, ca, domainName, domainName, left)
		m.refresh(m.list[0])
		if got := m.list[0].wait(time.Now()) <= 0; got != due {
			t.Errorf("with %v left, it is due: %t", left, got)
		}
	}
}

// Advice names what can be done.
func TestAdvice(t *testing.T) {
	m := &Manager{cfg: Config{Directory: "https://ca.example/dir"}}
	refused := func(kind string) error {
		return &challengeError{challengeTLS, &acme.AuthorizationError{Errors: []error{&acme.Error{ProblemType: "urn:ietf:params:acme:error:" + kind}}}}
	}
	for _, test := range []struct {
		err  error
		want string
	}{
		{refused("dns"), "A or AAAA record"},
		{refused("caa"), "CAA records"},
		{refused("connection"), "forward port 443"},
		{refused("unknown"), "forward port 443"},
		{&acme.Error{ProblemType: "urn:ietf:params:acme:error:rateLimited"}, "tries again later"},
		{&acme.Error{ProblemType: "urn:ietf:params:acme:error:externalAccountRequired"}, "another authority"},
		{&acme.Error{ProblemType: "urn:ietf:params:acme:error:invalidContact"}, "--acme-email"},
		{&url.Error{Err: errors.New("refused")}, "reach ca.example"},
		{&url.Error{Err: &net.DNSError{Name: "ca.example"}}, "ca.example resolves"},
		{&fs.PathError{Err: errors.New("no space")}, "write to the folder"},
		{errAlreadyDue, "set the clock"},
		{errors.New("other"), ""},
	} {
		if got := m.advise(test.err); !strings.Contains(got, test.want) || (got == "") != (test.want == "") {
			t.Errorf("%v: %q", test.err, got)
		}
	}
}
