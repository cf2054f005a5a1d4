package acmecert

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// store is the folder with everything that must outlive the process. The files of an authority
// are in a folder of its own, so that certificates for trying it out are not used afterwards.
//
//	account+key        private key of the account
//	NAME               private key and certificates of a domain, in PEM
//	NAME+failed        the latest failures of a domain, in JSON
//	NAME+token         private key and certificate that answer the challenge tls-alpn-01
//	TOKEN+http-01      text that answers the challenge http-01
//	lock               locked while a process orders
//
// Package autocert, which many programs use, stores certificates in the same form.
type store struct{ folder string }

const (
	accountFile   = "account+key"
	lockFile      = "lock"
	failedSuffix  = "+failed"
	tokenSuffix   = "+token"
	httpSuffix    = "+http-01"
	maxStoredFile = 1 << 20
)

// newStore returns the store of an authority in a folder. It checks that others cannot write to
// the folder if that exists.
func newStore(folder, directory string) (*store, error) {
	s := &store{filepath.Join(folder, folderOf(directory))}
	for _, name := range []string{folder, s.folder} {
		if err := checkFolder(name); err != nil && !isMissing(err) {
			return nil, err
		}
	}
	return s, nil
}

// create creates the folder if it is missing.
func (s *store) create() error {
	if err := os.MkdirAll(s.folder, 0o700); err != nil {
		return err
	}
	return checkFolder(s.folder)
}

// ErrWritable says that other users can write to the folder.
var ErrWritable = errors.New("other users can write to the folder")

// checkFolder returns an error if the name is not a folder, or if others can write to it.
func checkFolder(name string) error {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return fmt.Errorf("the folder for certificates: %w", err)
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder", name)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("%s has the mode %04o: %w, and could replace the keys", name, info.Mode().Perm(), ErrWritable)
	case !ownedSafely(info):
		return fmt.Errorf("%s belongs to another user: %w, and could replace the keys", name, ErrWritable)
	}
	return nil
}

var unsafeInName = regexp.MustCompile(`[^a-z0-9.-]+`)

// folderOf returns a name for the files of an authority.
func folderOf(directory string) string {
	name := strings.ToLower(strings.TrimPrefix(directory, "https://"))
	return strings.Trim(unsafeInName.ReplaceAllString(name, "-"), "-.")
}

func (s *store) path(name string) string { return filepath.Join(s.folder, name) }

// read returns the contents of a file. The error matches fs.ErrNotExist if it does not exist.
func (s *store) read(name string) ([]byte, error) {
	f, err := os.Open(s.path(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxStoredFile+1))
	if err == nil && len(text) > maxStoredFile {
		err = fmt.Errorf("%s is larger than %d bytes", s.path(name), maxStoredFile)
	}
	return text, err
}

// write replaces a file. Readers see either the old or the new contents, even after a crash.
func (s *store) write(name string, text []byte) (err error) {
	f, err := os.CreateTemp(s.folder, ".new-*") // with the mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), s.path(name))
}

// remove deletes a file if it exists.
func (s *store) remove(name string) error {
	if err := os.Remove(s.path(name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// accountKey returns the key of the account, and creates it if there is none. The caller holds
// the lock.
func (s *store) accountKey() (*ecdsa.PrivateKey, error) {
	text, err := s.read(accountFile)
	if errors.Is(err, fs.ErrNotExist) {
		return s.newAccountKey()
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s contains no key in PEM format", s.path(accountFile))
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.path(accountFile), err)
	}
	return key, nil
}

func (s *store) newAccountKey() (*ecdsa.PrivateKey, error) {
	key, text, err := newKey()
	if err != nil {
		return nil, err
	}
	return key, s.write(accountFile, text)
}

// failure is what is remembered about orders that failed, until one succeeds.
type failure struct {
	Count int       `json:"count"`
	Last  time.Time `json:"last"`
	Next  time.Time `json:"next"`
	Error string    `json:"error"`
	// Advice says what to do. It may be empty.
	Advice string `json:"advice,omitempty"`
}

// failure returns the remembered failures of a domain, or the zero value.
func (s *store) failure(name string) (f failure) {
	text, err := s.read(name + failedSuffix)
	if err != nil || json.Unmarshal(text, &f) != nil {
		return failure{}
	}
	if f.Next.After(time.Now().Add(maxRetryAfter)) {
		return failure{} // the clock has been set back
	}
	return f
}

func (s *store) writeFailure(name string, f failure) error {
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return s.write(name+failedSuffix, text)
}

// encode returns a key and a chain of certificates in PEM.
func encode(key []byte, chain [][]byte) []byte {
	var b bytes.Buffer
	b.Write(key)
	for _, der := range chain {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der}) // a buffer returns no errors
	}
	return b.Bytes()
}
