package jwtauth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"time"
)

// maxKeyFile is the maximum size of a file with keys in bytes.
const maxKeyFile = 256 << 10

// fileSource contains the keys of a file.
type fileSource struct {
	source
	file       KeyFile
	algorithms algorithmSet

	reading  sync.Mutex        // held while the file is read and its keys are taken
	last     [sha256.Size]byte // hash of what the last read returned
	settled  [sha256.Size]byte // hash of the contents that were used last, or failed
	readOnce bool              // it is not a regular file
}

func newFileSource(f KeyFile) (*fileSource, error) {
	set, err := algorithmsNamed(f.Algorithms)
	if err != nil {
		return nil, err
	}
	s := &fileSource{file: f, algorithms: set}
	s.status.Name = f.Name
	return s, nil
}

// readFile reads the file and uses its keys. It logs an error.
func (v *Verifier) readFile(s *fileSource) error {
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.readOnce {
		return nil
	}
	c := s.read()
	s.last = c.hash
	err := v.useFile(s, c)
	if err != nil {
		s.failed(v.log, err)
	}
	return err
}

// firstRead reads the file for New. It does not log an error, because New returns it.
func (v *Verifier) firstRead(s *fileSource) error {
	s.reading.Lock()
	defer s.reading.Unlock()
	c := s.read()
	s.last = c.hash
	return v.useFile(s, c)
}

// pollFile reads the file, and uses its keys if the contents are new and have not changed
// since the previous poll: a file may be read while it is being written, or be missing for a
// moment while it is being replaced.
func (v *Verifier) pollFile(s *fileSource) {
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.readOnce {
		return
	}
	c := s.read()
	again := c.hash == s.last
	s.last = c.hash
	if again && c.hash != s.settled {
		if err := v.useFile(s, c); err != nil {
			s.failed(v.log, err)
		}
	}
}

// useFile makes the keys in the file the keys of the source.
func (v *Verifier) useFile(s *fileSource, c contents) error {
	s.settled = c.hash
	err := c.err
	var keys []*key
	var skipped []error
	if err == nil {
		keys, skipped, err = s.parse(c.text)
	}
	if err != nil {
		return err
	}
	if s.file.Secret && c.mode&0o004 != 0 && runtime.GOOS != "windows" {
		v.log.Warn("every user of this machine can read the secret", "file", s.file.Name, "mode", fmt.Sprintf("%#o", c.mode.Perm()))
	}
	s.took(v.log, keys, skipped)
	v.rebuild()
	return nil
}

// contents are what a read of the file returned.
type contents struct {
	text []byte
	mode os.FileMode
	err  error
	hash [sha256.Size]byte // of the text or the error
}

// read reads the file. Except for the first time, it reads regular files only, because
// opening a pipe could block forever.
func (s *fileSource) read() contents {
	c := contents{}
	c.text, c.mode, c.err = readFile(s.file.Name, s.settled == [sha256.Size]byte{})
	if c.err != nil {
		c.hash = sha256.Sum256([]byte("error: " + c.err.Error()))
		return c
	}
	s.readOnce = !c.mode.IsRegular()
	c.hash = sha256.Sum256(append([]byte("text: "), c.text...))
	return c
}

func readFile(name string, any bool) ([]byte, os.FileMode, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, 0, reasonOf(err)
	}
	if !any && !info.Mode().IsRegular() {
		return nil, 0, errors.New("it is no longer a regular file")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, reasonOf(err)
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	switch {
	case err != nil:
		return nil, 0, reasonOf(err)
	case len(text) > maxKeyFile:
		return nil, 0, fmt.Errorf("it is larger than %d bytes", maxKeyFile)
	}
	return text, info.Mode(), nil
}

// reasonOf returns an error of package os without the path.
func reasonOf(err error) error {
	var e *os.PathError
	if errors.As(err, &e) {
		return fmt.Errorf("%s: %w", e.Op, e.Err)
	}
	return err
}

// parse returns the keys in the text of the file.
func (s *fileSource) parse(text []byte) (keys []*key, skipped []error, err error) {
	var list []Key
	if s.file.Secret {
		list = []Key{{Secret: withoutLineEnd(text)}}
	} else if list, skipped, err = parseKeys(text, DefaultMaxKeys); err != nil {
		return nil, nil, err
	}
	return bindSource(list, skipped, s.file.ID, s.algorithms)
}

// withoutLineEnd removes one trailing line break. Editors and echo append one.
func withoutLineEnd(text []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
}

// bindSource binds the keys of a source to the allowed algorithms. Keys without an ID get
// the given one. Keys that can be used only with other algorithms are skipped, but it is an
// error if none remains.
func bindSource(list []Key, skipped []error, id string, allowed algorithmSet) ([]*key, []error, error) {
	var keys []*key
	for i, k := range list {
		if k.ID == "" {
			k.ID = id
		}
		bound, err := k.bind(allowed)
		if err != nil {
			skipped = append(skipped, fmt.Errorf("key %d (ID %.64q): %w", i+1, k.ID, err))
			continue
		}
		keys = append(keys, bound)
	}
	if len(keys) == 0 {
		return nil, nil, errors.Join(skipped...)
	}
	return keys, skipped, nil
}

// watchFiles polls all files until ctx is done.
func (v *Verifier) watchFiles(ctx context.Context) {
	ticker := time.NewTicker(v.cfg.PollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, s := range v.files {
			v.pollFile(s)
		}
	}
}
