package listen

import (
	"crypto/sha256"
	"crypto/tls"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ignis-go/ignis/internal/loglimit"
)

// TLS names the files for TLS, all in PEM.
type TLS struct {
	// CertFile has the certificate, followed by those of the authorities between it and
	// the root.
	CertFile string
	// KeyFile has the private key of the certificate, without a passphrase.
	KeyFile string
	// ClientCAFile has the certificates of the authorities that sign client certificates.
	// Empty: clients are not asked for certificates.
	ClientCAFile string
	// ClientAuth says whether clients need a certificate. It applies if ClientCAFile is
	// set. A client whose certificate is not valid is always refused.
	ClientAuth ClientAuth
	// PollInterval is how often the files are read to see whether they have changed. 0:
	// 10 seconds.
	PollInterval time.Duration
	// Logger receives a line for each change. Required.
	Logger *slog.Logger
}

// ClientAuth says whether clients need a certificate.
type ClientAuth uint8

const (
	// ClientCertRequired refuses clients without a certificate.
	ClientCertRequired ClientAuth = iota
	// ClientCertOptional accepts clients without a certificate.
	ClientCertOptional
)

// File is one of the files of [TLS].
type File string

// The files.
const (
	FileCert     File = "certificate"
	FileKey      File = "key"
	FileClientCA File = "client CA"
)

// FileError is the reason why a file cannot be used.
type FileError struct {
	File File
	Err  error
	// Hint says what to do. It may be empty.
	Hint string
}

func (e *FileError) Error() string { return string(e.File) + ": " + e.Err.Error() }

// Unwrap returns Err.
func (e *FileError) Unwrap() error { return e.Err }

// settle is how long changed files must stay as they are before they are used. What is
// being written may be incomplete and look complete.
const settle = time.Second

// certificates hold what the files contained when it was last usable.
type certificates struct {
	files   TLS
	log     *loglimit.Limiter
	current atomic.Pointer[material]
	failed  atomic.Uint64

	mu      sync.Mutex // held while reading
	refused digest     // what the files contained when it was last not usable
	err     error      // why not; nil if current is what they contain
}

// material is what the files contain.
type material struct {
	digest  digest
	config  *tls.Config
	names   string
	expires time.Time
}

// digest identifies what the files contain, or the error of reading them.
type digest [sha256.Size]byte

func loadCertificates(files TLS, log *loglimit.Limiter) (*certificates, error) {
	if files.PollInterval <= 0 {
		files.PollInterval = 10 * time.Second
	}
	c := &certificates{files: files, log: log}
	return c, c.reload()
}

func (c *certificates) inUse() *material { return c.current.Load() }

// problem returns the reason why what the files contain is not in use, and how often
// there was one.
func (c *certificates) problem() (error, uint64) { //nolint:revive // the error is a value here
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err, c.failed.Load()
}

// reload uses what the files contain now.
func (c *certificates) reload() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	got, d, err := c.files.read()
	if m := c.inUse(); m != nil && m.digest == d {
		c.err = nil
		return nil
	}
	return c.useLocked(got, d, err)
}

// watch reads the files regularly, until stop is closed. Their contents count, not their
// times, so it does not matter how they are replaced.
func (c *certificates) watch(stop <-chan struct{}) {
	var seen digest // contents that have to stay as they are for a while
	timer := time.NewTimer(c.files.PollInterval)
	defer timer.Stop()
	for {
		select {
		case <-stop:
			return
		case <-timer.C:
			pause := c.files.PollInterval
			if d, changing := c.look(seen); changing {
				seen, pause = d, min(settle, pause)
			}
			timer.Reset(pause)
		}
	}
}

// look reads the files. It uses what is new if it is what was seen the last time, and
// otherwise reports that it is changing.
func (c *certificates) look(seen digest) (d digest, changing bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	got, d, err := c.files.read()
	switch {
	case d == c.inUse().digest:
		c.err, c.refused = nil, digest{}
	case d == c.refused:
	case d != seen:
		return d, true
	default:
		_ = c.useLocked(got, d, err) // it is logged
	}
	return d, false
}

// useLocked uses new contents if they are valid, and otherwise keeps the old ones.
func (c *certificates) useLocked(got contents, d digest, err error) error {
	var m *material
	if err == nil {
		m, err = c.files.parse(got)
	}
	first := c.inUse() == nil
	if err != nil {
		c.refused, c.err = d, err
		c.failed.Add(1)
		if !first {
			c.files.Logger.Error("the TLS files have changed and cannot be used; the old certificate stays in use",
				"error", err, "expires", c.inUse().expires)
		}
		return err
	}
	m.digest, c.refused, c.err = d, digest{}, nil
	c.current.Store(m)
	message := "TLS certificate reloaded"
	if first {
		message = "TLS certificate loaded"
	}
	c.files.Logger.Info(message, "names", m.names, "expires", m.expires)
	if time.Now().After(m.expires) {
		c.files.Logger.Warn("the TLS certificate has expired", "names", m.names, "expires", m.expires)
	}
	return nil
}
