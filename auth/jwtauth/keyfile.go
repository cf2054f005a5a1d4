package jwtauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ignis-go/ignis/internal/filewatch"
)

// maxKeyFile is the maximum size of a file with keys in bytes.
const maxKeyFile = 256 << 10

// fileSource contains the keys of a file.
type fileSource struct {
	source
	file       KeyFile
	algorithms algorithmSet

	reading sync.Mutex // held while the file is read and its keys are taken
	watched *filewatch.Files
}

func newFileSource(f KeyFile) (*fileSource, error) {
	set, err := algorithmsNamed(f.Algorithms)
	if err != nil {
		return nil, err
	}
	s := &fileSource{file: f, algorithms: set, watched: filewatch.New(maxKeyFile, f.Name)}
	s.status.Name = f.Name
	return s, nil
}

// readFile reads the file and uses its keys. It logs an error.
func (v *Verifier) readFile(s *fileSource) error {
	err := v.firstRead(s)
	if err != nil {
		s.failed(v.log, err)
	}
	return err
}

// firstRead reads the file for New. It does not log an error, because New returns it.
func (v *Verifier) firstRead(s *fileSource) error {
	s.reading.Lock()
	defer s.reading.Unlock()
	return v.useFile(s, s.watched.Read())
}

// pollFile reads the file, and uses its keys if it has changed.
func (v *Verifier) pollFile(s *fileSource) {
	s.reading.Lock()
	defer s.reading.Unlock()
	c, change := s.watched.Poll()
	if change != filewatch.Changed {
		return
	}
	if err := v.useFile(s, c); err != nil {
		s.failed(v.log, err)
	}
}

// useFile makes the keys in the file the keys of the source. Its errors name the file.
func (v *Verifier) useFile(s *fileSource, c filewatch.Contents) error {
	if c.Err != nil {
		return c.Err
	}
	file := c.Files[0]
	keys, skipped, err := s.parse(file.Text)
	if err != nil {
		return fmt.Errorf("%s: %w", s.file.Name, err)
	}
	if s.file.Secret && file.Public() {
		v.log.Warn("every user of this machine can read the secret", "file", s.file.Name, "mode", fmt.Sprintf("%#o", file.Mode.Perm()))
	}
	s.took(v.log, keys, skipped)
	v.rebuild()
	return nil
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
