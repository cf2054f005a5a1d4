package filewatch

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// describe returns the contents as text, such as "a+b", or the error.
func (c Contents) describe() string {
	if c.Err != nil {
		return c.Err.Error()
	}
	var texts []string
	for _, f := range c.Files {
		texts = append(texts, string(f.Text))
	}
	return strings.Join(texts, "+")
}

func TestPoll(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "1"), filepath.Join(dir, "2")
	write(t, one, "a")
	write(t, two, "b")
	f := New(4, one, two)
	if got := f.Read().describe(); got != "a+b" {
		t.Fatalf("read %q", got)
	}
	poll := func(when, contents string, want Change) {
		t.Helper()
		c, got := f.Poll()
		if got != want || !strings.Contains(c.describe(), contents) || c.Err != nil && len(c.Files) > 1 {
			t.Errorf("%s: %q, %v, want %q, %v", when, c.describe(), got, contents, want)
		}
	}
	poll("unchanged", "a+b", Same)
	write(t, one, "c")
	poll("one has changed", "c+b", Changing)
	write(t, two, "d")
	poll("the other as well", "c+d", Changing)
	poll("both stay", "c+d", Changed)
	poll("both still stay", "c+d", Same)
	write(t, one, "")
	write(t, two, "cd")
	poll("the same bytes in other files", "+cd", Changing)
	write(t, one, "c")
	write(t, two, "d")
	poll("as before", "c+d", Same)
	if err := os.Remove(two); err != nil {
		t.Fatal(err)
	}
	poll("missing", two, Changing)
	poll("still missing", two, Changed)
	poll("missing for long", two, Same)
	write(t, two, "d")
	poll("back", "c+d", Changing)
	poll("back for good", "c+d", Changed)
	write(t, one, "large")
	poll("too large", "larger than 4 bytes", Changing)
	write(t, one, "e")
	if got := f.Read().describe(); got != "e+d" {
		t.Errorf("read %q", got)
	}
	poll("after Read", "e+d", Same)
}

// A new link has effect even if the times of the files are the same.
func TestLinks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows needs a privilege for links")
	}
	dir := t.TempDir()
	name := filepath.Join(dir, "file")
	for _, text := range []string{"a", "b"} {
		write(t, filepath.Join(dir, text), text)
	}
	swap := func(target string) {
		t.Helper()
		_ = os.Remove(name)
		if err := os.Symlink(target, name); err != nil {
			t.Fatal(err)
		}
	}
	swap("a")
	f := New(1, name)
	f.Read()
	swap("b")
	f.Poll()
	if c, change := f.Poll(); change != Changed || c.describe() != "b" {
		t.Errorf("got %q, %v", c.describe(), change)
	}
}

func TestPublic(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such permissions")
	}
	name := filepath.Join(t.TempDir(), "file")
	write(t, name, "x")
	for mode, want := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o604: true, 0o644: true} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
		if f, err := ReadFile(name, 1); err != nil || f.Public() != want {
			t.Errorf("mode %#o: %v, %v", mode, f.Public(), err)
		}
	}
}
