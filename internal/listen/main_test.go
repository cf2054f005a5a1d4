package listen

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/ignis-go/ignis/internal/loglimit"
	"github.com/ignis-go/ignis/internal/logtest"
)

// TestMain fails a run that leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logged fills in the loggers of a configuration.
func logged(c Config) (Config, *logtest.Log) {
	book := &logtest.Log{}
	logger := book.Logger()
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
func open(t *testing.T, c Config) (*Listeners, *logtest.Log) {
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
