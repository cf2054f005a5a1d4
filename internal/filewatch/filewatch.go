// Package filewatch reads files again and finds out when they have new contents. It compares
// contents, not times, so it makes no difference whether a file is written, replaced or
// reached through symbolic links that change, as in Kubernetes.
package filewatch

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
)

// File is what reading a file returned.
type File struct {
	Text []byte
	Mode fs.FileMode
}

// Public reports whether every user of the machine can read the file. It returns false on
// Windows, where the mode does not tell.
func (f File) Public() bool { return f.Mode&0o004 != 0 && runtime.GOOS != "windows" }

// ReadFile reads a file. A file of more than limit bytes is an error.
func ReadFile(name string, limit int64) (f File, err error) {
	file, err := os.Open(name)
	if err != nil {
		return f, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return f, err
	}
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	switch {
	case err != nil:
		return f, err
	case int64(len(text)) > limit:
		return f, fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	return File{text, info.Mode()}, nil
}

// Files are files that are used together, such as a certificate and its key. The methods must
// not be called concurrently.
//
// A file that is not a regular file, such as a pipe, is read only once. From then on it
// counts as unchanged: another read would return nothing, or block.
type Files struct {
	names []string
	limit int64
	kept  []*File // those that are not regular files; nil for the others, and before the first read

	last Sum // of the last read
	used Sum // of what Read, or Poll as Changed, returned last
}

// Sum identifies contents, or the error of reading them.
type Sum [sha256.Size]byte

// New returns Files with these names, of at most limit bytes each.
func New(limit int64, names ...string) *Files {
	return &Files{names: slices.Clone(names), limit: limit, kept: make([]*File, len(names))}
}

// Named reports whether the files have these names.
func (f *Files) Named(names []string) bool { return slices.Equal(f.names, names) }

// Name returns the name of file i.
func (f *Files) Name(i int) string { return f.names[i] }

// Contents is what reading Files returned.
type Contents struct {
	Files []File // in the order of the names; incomplete if Err is not nil
	Err   error  // of the file Files[len(Files)]
	Sum   Sum
}

// Read reads the files. The caller uses the contents immediately.
func (f *Files) Read() Contents {
	c := f.read()
	f.last, f.used = c.Sum, c.Sum
	return c
}

// Change is what Poll found out about the contents.
type Change uint8

const (
	Same     Change = iota // they were used before
	Changing               // they are new, but may be incomplete; call Poll again
	Changed                // they are new, and the previous read returned the same
)

// Poll reads the files. It reports Changed once for new contents, when two reads in a row
// have returned the same. A file may be read while it is being written, or be missing for a
// moment while it is being replaced, and files may be replaced one after the other.
func (f *Files) Poll() (Contents, Change) {
	c := f.read()
	again := c.Sum == f.last
	f.last = c.Sum
	switch {
	case c.Sum == f.used:
		return c, Same
	case !again:
		return c, Changing
	}
	f.used = c.Sum
	return c, Changed
}

func (f *Files) read() (c Contents) {
	hash := sha256.New()
	for i, name := range f.names {
		file, err := f.readOne(i, name)
		if err != nil {
			c.Err, c.Sum = err, sha256.Sum256([]byte(err.Error()))
			return c
		}
		c.Files = append(c.Files, file)
		_, _ = fmt.Fprintf(hash, "%d\n", len(file.Text))
		hash.Write(file.Text)
	}
	c.Sum = Sum(hash.Sum(nil))
	return c
}

func (f *Files) readOne(i int, name string) (File, error) {
	if f.kept[i] != nil {
		return *f.kept[i], nil
	}
	if f.used != (Sum{}) { // opening a pipe could block
		if info, err := os.Stat(name); err != nil {
			return File{}, err
		} else if !info.Mode().IsRegular() {
			return File{}, fmt.Errorf("%s is no longer a regular file", name)
		}
	}
	file, err := ReadFile(name, f.limit)
	if err == nil && !file.Mode.IsRegular() {
		f.kept[i] = &file
	}
	return file, err
}
