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
	// CertFile contains the certificate, followed by its intermediate certificates.
	CertFile string
	// KeyFile contains the private key of the certificate, without a passphrase.
	KeyFile string
	// ClientCAFile contains the certificates of the authorities that sign client
	// certificates. Empty: clients are not asked for certificates.
	ClientCAFile string
	// ClientAuth says whether clients need a certificate if ClientCAFile is set. A client
	// with an invalid certificate is always refused.
	ClientAuth ClientAuth
	// PollInterval is the interval at which the files are read to find changes. 0: 10
	// seconds.
	PollInterval time.Duration
	// Logger receives a log line for each change. Required.
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

// FileError reports that a file cannot be used.
type FileError struct {
	File File
	Err  error
	// Hint is advice for the user. It may be empty.
	Hint string
}

func (e *FileError) Error() string { return string(e.File) + ": " + e.Err.Error() }

// Unwrap returns Err.
func (e *FileError) Unwrap() error { return e.Err }

// settle is how long changed files must stay the same before they are used. A file that is
// still being written can look complete.
const settle = time.Second

// certificates holds the last usable contents of the files.
type certificates struct {
	files   TLS
	log     *loglimit.Limiter
	current atomic.Pointer[material]
	failed  atomic.Uint64

	mu      sync.Mutex // held while reading
	refused digest     // the last contents that were not usable
	err     error      // why they were not; nil if current has the contents of the files
}

// material is the parsed contents of the files.
type material struct {
	digest  digest
	config  *tls.Config
	names   string
	expires time.Time
}

// digest identifies the contents of the files, or the error of reading them.
type digest [sha256.Size]byte

func loadCertificates(files TLS, log *loglimit.Limiter) (*certificates, error) {
	if files.PollInterval <= 0 {
		files.PollInterval = 10 * time.Second
	}
	c := &certificates{files: files, log: log}
	return c, c.reload()
}

func (c *certificates) inUse() *material { return c.current.Load() }

// problem returns the reason why the contents of the files are not in use, if they are not,
// and how often that has happened.
func (c *certificates) problem() (failed uint64, reason error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed.Load(), c.err
}

// reload uses the current contents of the files immediately.
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

// watch reads the files regularly until stop is closed. It compares contents instead of
// times, so it does not matter how files are replaced.
func (c *certificates) watch(stop <-chan struct{}) {
	var seen digest // new contents that must stay the same for a while
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

// look reads the files. It uses new contents if they are those that were seen the last time,
// and otherwise reports that they are changing.
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
		_ = c.useLocked(got, d, err) // which logs the error
	}
	return d, false
}

// useLocked uses new contents if they are valid, and otherwise keeps the previous ones.
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
			c.files.Logger.Error("the changed TLS files cannot be used; the previous certificate stays in use",
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
