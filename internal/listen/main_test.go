package listen

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/ignis-go/ignis/internal/loglimit"
)

// TestMain fails a run that leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logBook is a log that tests can read while it is written.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logBook) count(text string) int { return strings.Count(l.String(), text) }

// logged fills in the loggers of a configuration.
func logged(c Config) (Config, *logBook) {
	book := &logBook{}
	logger := slog.New(slog.NewTextHandler(book, nil))
	c.TLS.Logger, c.Log = logger, loglimit.New(logger)
	return c, book
}

// address parses an address.
func address(text string, change ...func(*Address)) (a Address) {
	if err := a.UnmarshalText([]byte(text)); err != nil {
		panic(err)
	}
	for _, f := range change {
		f(&a)
	}
	return a
}

func secure(a *Address)   { a.TLS = true }
func proxying(a *Address) { a.ProxyProtocol = true }

// open opens listeners that are closed at the end of the test.
func open(t *testing.T, c Config) (*Listeners, *logBook) {
	t.Helper()
	c, book := logged(c)
	l, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l, book
}
