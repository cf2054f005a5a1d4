package loglimit_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/ignis-go/ignis/internal/loglimit"
	"github.com/ignis-go/ignis/internal/logtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// log captures log lines.
type log struct{ logtest.Log }

// want checks that each line since the last call contains the corresponding text.
func (l *log) want(t *testing.T, when string, lines ...string) {
	t.Helper()
	got := l.Take()
	ok := len(got) == len(lines)
	for i := 0; ok && i < len(got); i++ {
		ok = strings.Contains(got[i], lines[i])
	}
	if !ok {
		t.Errorf("%s:\n%s\nwant:\n%s", when, strings.Join(got, "\n"), strings.Join(lines, "\n"))
	}
}

func newLimiter(t *testing.T) (*loglimit.Limiter, *log) {
	w := &log{}
	h := slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
	l := loglimit.New(slog.New(h))
	l.Open()
	t.Cleanup(l.Close)
	return l, w
}

func TestEachCauseIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := newLimiter(t)
		for range 3 {
			for i := range 9 {
				l.Log(slog.LevelInfo, "rejected", "client", 1, "error", fmt.Errorf("cause %d", i))
			}
		}
		if got := w.Take(); len(got) != 9 {
			t.Fatalf("nine causes resulted in %d lines:\n%s", len(got), strings.Join(got, "\n"))
		}
		// The period ends without another line.
		time.Sleep(loglimit.Period)
		synctest.Wait()
		got := w.Take()
		if len(got) != 9 || got[0] != `level=INFO msg=rejected error="cause 0" more=2 in_the_last=10s latest.client=1` {
			t.Fatalf("after the period:\n%s", strings.Join(got, "\n"))
		}
		time.Sleep(loglimit.Period)
		synctest.Wait()
		w.want(t, "nothing happened")
		l.Log(slog.LevelInfo, "rejected", "error", "cause 0")
		w.want(t, "another period later", `error="cause 0"`)
	})
}

func TestFloodOfOneCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := newLimiter(t)
		for range 298 { // for slightly more than three periods
			l.Log(slog.LevelWarn, "rejected", "error", "expired", "client", 5)
			time.Sleep(101 * time.Millisecond)
		}
		synctest.Wait()
		w.want(t, "a flood",
			`level=WARN msg=rejected error=expired client=5`,
			`level=WARN msg=rejected error=expired more=99 in_the_last=10s latest.client=5`,
			`level=WARN msg=rejected error=expired more=99 in_the_last=10s latest.client=5`,
			`level=WARN msg=rejected error=expired more=99 in_the_last=10s latest.client=5`,
		)
	})
}

// A line that stands for others has the attributes of one of the latest of them, so that a fault
// that goes on does not name only its first victim.
func TestSample(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := newLimiter(t)
		rejected := func(subject string) {
			l.Log(slog.LevelInfo, "rejected", "remote", "address of "+subject, "error", &tokenError{subject}, "stack", "deep", "n", 3)
			time.Sleep(time.Second)
		}
		for _, subject := range []string{"ann", "bob", "eve\x1b[2J" + strings.Repeat("x", 90_000)} {
			rejected(subject)
		}
		w.want(t, "at first", `remote="address of ann" error="expired, of ann" stack=deep n=3`)
		time.Sleep(loglimit.Period)
		synctest.Wait()
		got := w.Take()
		const want = `level=INFO msg=rejected error=expired more=2 in_the_last=10s latest.remote="address of eve\\u001b[2Jxxx`
		if len(got) != 1 || !strings.HasPrefix(got[0], want) || !strings.HasSuffix(got[0], ` latest.n=3`) ||
			!strings.Contains(got[0], ` latest.error="expired, of eve`) || strings.Contains(got[0], "deep") || len(got[0]) > 3*loglimit.MaxText {
			t.Errorf("%d lines, the first is %.1500s", len(got), got)
		}
		rejected("joe")
		time.Sleep(loglimit.Period)
		synctest.Wait()
		if got := w.Take(); len(got) != 1 || !strings.Contains(got[0], `more=1 in_the_last=`) || !strings.Contains(got[0], `latest.remote="address of joe"`) {
			t.Errorf("in the next period: %q", got)
		}
	})
}

// A flood costs a sample in a tenth of a second, not one for each line.
func TestSamplesAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := newLimiter(t)
		formatted := 0
		for range 10_000 { // for one second
			l.Log(slog.LevelInfo, "rejected", "error", "expired", "client", counted{&formatted})
			time.Sleep(time.Second / 10_000)
		}
		if formatted > 12 {
			t.Errorf("10,000 lines within a second were formatted %d times", formatted)
		}
	})
}

// counted counts how often it is formatted.
type counted struct{ times *int }

func (c counted) String() string { *c.times++; return "" }

// The attributes of LogLater are computed only for lines that are written and for samples.
func TestLogLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := newLimiter(t)
		computed := 0
		for range 10_000 { // for one second
			l.LogLater(slog.LevelWarn, "slow", func() []any { computed++; return []any{"client", computed, "error", "x"} })
			time.Sleep(time.Second / 10_000)
		}
		l.LogLater(slog.LevelDebug, "slow", func() []any { t.Error("computed for a line that is not enabled"); return nil })
		time.Sleep(loglimit.Period)
		synctest.Wait()
		if w.want(t, "a flood", `msg=slow client=1 error=x`, fmt.Sprintf(`msg=slow more=9999 in_the_last=10s latest.client=%d latest.error=x`, computed)); computed > 12 {
			t.Errorf("computed %d times", computed)
		}
	})
}

// A few origins have a line each. Clients choose their origins, so others share one.
func TestOrigins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := newLimiter(t)
		refused := func(origin string) { l.Log(slog.LevelWarn, "refused", "origin", origin, "error", "not allowed") }
		for range 2 {
			for i := range 1000 {
				refused(fmt.Sprint("https://", i))
			}
		}
		w.want(t, "at first", "origin=https://0 ", "origin=https://1 ", "origin=https://2 ", "origin=https://3 ",
			`origin=https://4 error="not allowed" note="too many origins; further ones are only counted"`)
		l.Log(slog.LevelWarn, "refused", "origin", "https://1", "error", "too many")
		w.want(t, "another cause", `error="too many"`)
		time.Sleep(loglimit.Period)
		synctest.Wait()
		w.want(t, "after the period",
			`msg=refused error="not allowed" origin=https://0 more=1 in_the_last=10s`,
			`msg=refused error="not allowed" origin=https://1 more=1 in_the_last=10s`,
			`msg=refused error="not allowed" origin=https://2 more=1 in_the_last=10s`,
			`msg=refused error="not allowed" origin=https://3 more=1 in_the_last=10s`,
			`msg=refused error="not allowed" origin="other origins" more=1991 in_the_last=10s latest.origin=https://5`,
		)
		// Origins count as one of the causes, and make room for others when they do not recur.
		for i := range 16 {
			l.Log(slog.LevelWarn, "refused", "error", fmt.Sprint("cause ", i))
		}
		if got := w.Take(); len(got) != 16 || !strings.Contains(got[15], "too many causes") {
			t.Errorf("%d lines, the last is %s", len(got), got[len(got)-1])
		}
		time.Sleep(2 * loglimit.Period)
		synctest.Wait()
		w.Take()
		refused("https://999")
		w.want(t, "later", "origin=https://999")
	})
}

// The number of lines is limited even if there are many causes and messages, and the lines report
// that others were left out.
func TestFloodOfCauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := newLimiter(t)
		for i := range 10_000 {
			l.Log(slog.LevelInfo, "rejected", "error", fmt.Sprint("cause ", i))
		}
		got := w.Take()
		if len(got) != 17 || !strings.Contains(got[16], "too many causes") {
			t.Errorf("%d lines, the last is %s", len(got), got[len(got)-1])
		}
		l.Log(slog.LevelInfo, "refused", "error", "cause")
		w.want(t, "another message", "refused")
		time.Sleep(loglimit.Period)
		synctest.Wait()
		w.want(t, "after the period", `msg=rejected error="other causes" more=9983 in_the_last=10s`)

		for i := range 10_000 {
			l.Log(slog.LevelInfo, fmt.Sprint("message ", i%500))
		}
		got = w.Take()
		if len(got) > 130 || !strings.Contains(got[len(got)-1], "too many kinds") {
			t.Errorf("%d lines, the last is %s", len(got), got[len(got)-1])
		}
		time.Sleep(loglimit.Period)
		synctest.Wait()
		if got = w.Take(); !strings.Contains(strings.Join(got, "\n"), `msg="log lines of other kinds" more=`) {
			t.Errorf("the report has %d lines but does not mention other kinds", len(got))
		}
		// Kinds that did not recur are removed, which makes room for new ones.
		time.Sleep(2 * loglimit.Period)
		synctest.Wait()
		w.Take()
		l.Log(slog.LevelInfo, "rejected", "error", "a new cause")
		if got := w.Take(); len(got) != 1 || !strings.HasSuffix(got[0], `msg=rejected error="a new cause"`) {
			t.Errorf("later: %q", got)
		}
	})
}

// A line at the very end of a period is included in the report.
func TestLineAtEndOfPeriod(t *testing.T) {
	for range 20 { // the order of the goroutines is random
		synctest.Test(t, func(t *testing.T) {
			l, w := newLimiter(t)
			for range 250 {
				l.Log(slog.LevelWarn, "rejected", "client", 5)
				time.Sleep(loglimit.Period / 100)
			}
			synctest.Wait()
			for i, line := range w.Take() {
				if strings.Contains(line, " client=5") != (i == 0) {
					t.Fatalf("line %d is %s", i, line)
				}
			}
		})
	}
}

// slowHandler blocks before it writes a report.
type slowHandler struct {
	slog.Handler
	begun, release chan struct{}
}

func (h *slowHandler) Handle(ctx context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "in_the_last" {
			close(h.begun)
			<-h.release
		}
		return true
	})
	return h.Handler.Handle(ctx, r)
}

func TestCloseWaitsForTheTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &slowHandler{slog.NewTextHandler(io.Discard, nil), make(chan struct{}), make(chan struct{})}
		l := loglimit.New(slog.New(h))
		l.Open()
		l.Log(slog.LevelInfo, "refused")
		l.Log(slog.LevelInfo, "refused")
		<-h.begun
		closed := false
		var closing sync.WaitGroup
		closing.Go(func() { l.Close(); closed = true })
		synctest.Wait()
		if closed {
			t.Error("Close returned while a report was being written")
		}
		close(h.release)
		closing.Wait()
	})
}

func TestCloseReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := newLimiter(t)
		for range 5 {
			l.Log(slog.LevelInfo, "refused")
		}
		time.Sleep(3 * time.Second)
		l.Close()
		w.want(t, "at the end", "msg=refused", "msg=refused more=4 in_the_last=3s")
		time.Sleep(time.Hour)
		w.want(t, "after the end")

		// Lines after Close are limited as well, without a timer.
		for range 5 {
			l.Log(slog.LevelInfo, "refused")
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		w.want(t, "without a timer", "msg=refused")
		l.Log(slog.LevelInfo, "refused")
		w.want(t, "the next line", "msg=refused more=4")

		l.Open()
		l.Log(slog.LevelInfo, "refused")
		time.Sleep(loglimit.Period)
		synctest.Wait()
		w.want(t, "open again", "msg=refused more=1")
	})
}

type tokenError struct{ subject string }

func (e *tokenError) Error() string    { return "expired, of " + e.subject }
func (e *tokenError) LogCause() string { return "expired" }

func TestAttributes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, w := newLimiter(t)
		l.Log(slog.LevelDebug, "not enabled")
		l.Log(slog.LevelInfo, "origin", "origin", "https://a\x1b[2J\u202e"+strings.Repeat("x", 90_000), "n", 5, "ok", true)
		got := w.Take()
		if len(got) != 1 || len(got[0]) > loglimit.MaxText+200 || !strings.Contains(got[0], `https://a\\u001b[2J\\u202exxx`) ||
			!strings.Contains(got[0], "(90016 bytes)") || !strings.Contains(got[0], "n=5 ok=true") {
			t.Errorf("logged %d lines: %.900s", len(got), got)
		}
		l.Log(slog.LevelError, "panicked", "panic", []string{"a\x9b"}, "stack", strings.Repeat("s", 2000))
		w.want(t, "a panic", `panic=[a\x9b] stack=`+strings.Repeat("s", 2000))
		l.Log(slog.LevelError, "failed", "error", (*tokenError)(nil))
		w.want(t, "an error whose method panics", "msg=failed")

		// These errors have different texts but the same cause.
		for _, subject := range []string{"ann", "bob", "eve"} {
			l.Log(slog.LevelInfo, "rejected", "error", fmt.Errorf("client: %w", &tokenError{subject}))
		}
		l.Log(slog.LevelInfo, "rejected", "error", errors.New("other"))
		l.Close()
		w.want(t, "errors with a cause", `error="client: expired, of ann"`, "error=other", "error=expired more=2")
	})
}

func TestConcurrently(t *testing.T) {
	l, w := newLimiter(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 200 {
				l.Log(slog.LevelInfo, "refused", "error", i%4)
				if i%50 == 0 {
					l.Close()
					l.Open()
				}
			}
		})
	}
	all.Wait()
	l.Close()
	sum := 0
	for _, line := range w.Take() {
		more := 1
		if _, n, ok := strings.Cut(line, "more="); ok {
			if _, err := fmt.Sscan(n, &more); err != nil {
				t.Fatal(err)
			}
		}
		sum += more
	}
	if sum != 8*200 {
		t.Errorf("%d lines were written or counted, want %d", sum, 8*200)
	}
}
