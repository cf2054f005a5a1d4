package listen

import (
	"context"
	"crypto/tls"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ignis-go/ignis/internal/filewatch"
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

// Certificates are certificates that do not come from files, such as those of package acmecert.
type Certificates interface {
	// TLSConfig returns the configuration of all connections. It is called once.
	TLSConfig() *tls.Config
	// Run keeps the certificates up to date until ctx is done. It is called when the listeners
	// are open.
	Run(ctx context.Context)
	// Expires returns when the first of the certificates in use expires, or the zero time if
	// there is none.
	Expires() time.Time
}

// challengeProtocol is the protocol of connections with which an authority verifies a domain
// (RFC 8737). They end after the handshake.
const challengeProtocol = "acme-tls/1"

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
	current atomic.Pointer[material]

	mu      sync.Mutex // held while reading
	watched *filewatch.Files
	failed  uint64
	err     error // why the contents of the files are not usable; nil if current has them
}

// material is the parsed contents of the files.
type material struct {
	sum     filewatch.Sum
	config  *tls.Config
	names   string
	expires time.Time
}

func loadCertificates(files TLS) (*certificates, error) {
	if files.PollInterval <= 0 {
		files.PollInterval = 10 * time.Second
	}
	c := &certificates{files: files, watched: files.watched()}
	return c, c.reload()
}

func (c *certificates) inUse() *material { return c.current.Load() }

// problem returns the reason why the contents of the files are not in use, if they are not,
// and how often that has happened.
func (c *certificates) problem() (failed uint64, reason error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed, c.err
}

// reload uses the current contents of the files immediately.
func (c *certificates) reload() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.useLocked(c.watched.Read())
}

// watch reads the files regularly until stop is closed.
func (c *certificates) watch(stop <-chan struct{}) {
	timer := time.NewTimer(c.files.PollInterval)
	defer timer.Stop()
	for {
		select {
		case <-stop:
			return
		case <-timer.C:
			pause := c.files.PollInterval
			if c.look() == filewatch.Changing {
				pause = min(settle, pause)
			}
			timer.Reset(pause)
		}
	}
}

// look reads the files and uses them if they have changed.
func (c *certificates) look() filewatch.Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	got, change := c.watched.Poll()
	if change == filewatch.Changed {
		_ = c.useLocked(got) // which logs the error
	}
	return change
}

// useLocked uses new contents if they are valid, and otherwise keeps the previous ones.
func (c *certificates) useLocked(read filewatch.Contents) error {
	if m := c.inUse(); m != nil && m.sum == read.Sum {
		c.err = nil
		return nil
	}
	var m *material
	got, err := contentsOf(read)
	if err == nil {
		m, err = c.files.parse(got)
	}
	first := c.inUse() == nil
	if err != nil {
		c.err = err
		c.failed++
		if !first {
			c.files.Logger.Error("the changed TLS files cannot be used; the previous certificate stays in use",
				"error", err, "expires", c.inUse().expires)
		}
		return err
	}
	m.sum, c.err = read.Sum, nil
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
