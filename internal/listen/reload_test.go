package listen

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis/internal/certtest"
)

// watched is a listener whose certificate files are watched, in fake time.
type watched struct {
	*mem
	t    *testing.T
	ca   *certtest.Authority
	dir  string
	pair certtest.Pair // the first
}

// watch calls f with a listener whose files are watched.
func watch(t *testing.T, f func(w *watched)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &watched{t: t, ca: certtest.NewAuthority(t, "test"), dir: t.TempDir()}
		w.pair = w.ca.Issue(t, certtest.Options{Name: "first"})
		cert, key := w.pair.Write(t, w.dir)
		w.mem = newMem(t, Config{Addresses: []Address{address("127.0.0.1:0", secure)}, TLS: TLS{CertFile: cert, KeyFile: key}})
		w.start()
		defer w.close()
		f(w)
	})
}

// uses waits for d and checks which certificate is in use then.
func (w *watched) uses(d time.Duration, want certtest.Pair, when string) {
	w.t.Helper()
	time.Sleep(d)
	synctest.Wait()
	got, err := x509.ParseCertificate(w.certs.inUse().config.Certificates[0].Certificate[0])
	if err != nil || !want.Is([]*x509.Certificate{got}) {
		w.t.Errorf("%s the certificate is that of %v, %v", when, got.Subject, err)
	}
}

const (
	poll = 10 * time.Second
	soon = poll + settle
)

func TestChangedFilesAreUsed(t *testing.T) {
	watch(t, func(w *watched) {
		second := w.ca.Issue(t, certtest.Options{Name: "second"})
		second.Write(t, w.dir)
		w.uses(poll, w.pair, "at first sight")
		w.uses(settle, second, "a little later")
		if w.book.Count("TLS certificate reloaded") != 1 || w.book.Count("level=ERROR") != 0 || w.Stats().ReloadsFailed != 0 {
			t.Errorf("logged %s", w.book)
		}
	})
}

// If the certificate changes first and the key later, the old pair stays in use until then.
func TestOneFileAfterTheOther(t *testing.T) {
	watch(t, func(w *watched) {
		second := w.ca.Issue(t, certtest.Options{Name: "second"})
		certtest.WriteFile(t, filepath.Join(w.dir, "tls.crt"), second.Cert)
		w.uses(soon, w.pair, "with half a pair")
		w.uses(10*poll, w.pair, "with half a pair for long")
		s := w.Stats()
		if s.ReloadsFailed != 1 || s.ReloadError == nil || !strings.Contains(s.ReloadError.Error(), "does not belong to the certificate") {
			t.Errorf("%+v", s)
		}
		if w.book.Count("level=ERROR") != 1 || w.book.Count("does not belong to the certificate") != 1 {
			t.Errorf("logged %s", w.book)
		}
		certtest.WriteFile(t, filepath.Join(w.dir, "tls.key"), second.Key)
		w.uses(soon, second, "with the whole pair")
		if s := w.Stats(); s.ReloadError != nil || w.book.Count("TLS certificate reloaded") != 1 {
			t.Errorf("%+v, and logged %s", s, w.book)
		}
	})
}

// If the second file changes soon after the first, nothing is logged in between.
func TestOneFileRightAfterTheOther(t *testing.T) {
	watch(t, func(w *watched) {
		second := w.ca.Issue(t, certtest.Options{Name: "second"})
		certtest.WriteFile(t, filepath.Join(w.dir, "tls.key"), second.Key)
		w.uses(poll, w.pair, "with half a pair")
		certtest.WriteFile(t, filepath.Join(w.dir, "tls.crt"), second.Cert)
		w.uses(2*settle, second, "with the whole pair")
		if w.book.Count("level=ERROR") != 0 {
			t.Errorf("logged %s", w.book)
		}
	})
}

// A file that is still being written, without its intermediate certificate, looks complete.
func TestHalfWrittenChainIsNotUsed(t *testing.T) {
	watch(t, func(w *watched) {
		between := w.ca.Intermediate(t, "between")
		second := between.Issue(t, certtest.Options{Name: "second", Chain: []*certtest.Authority{between}})
		half := between.Issue(t, certtest.Options{Name: "half"})
		half.Write(t, w.dir)
		w.uses(poll, w.pair, "at first sight")
		second.Write(t, w.dir)
		w.uses(settle, w.pair, "when it has changed again")
		w.uses(settle, second, "when it stays")
	})
}

// Missing and invalid files are logged once. Files that return to the previous contents are no
// longer a problem.
func TestFilesThatComeBack(t *testing.T) {
	watch(t, func(w *watched) {
		key := filepath.Join(w.dir, "tls.key")
		if err := os.Remove(key); err != nil {
			t.Fatal(err)
		}
		w.uses(3*poll, w.pair, "without a key")
		if s := w.Stats(); s.ReloadError == nil || w.book.Count("no such file") != 1 {
			t.Errorf("%+v, and logged %s", s, w.book)
		}
		certtest.WriteFile(t, key, w.pair.Key)
		w.uses(soon, w.pair, "with the old key")
		if s := w.Stats(); s.ReloadError != nil {
			t.Errorf("%+v", s)
		}
		if err := os.Remove(key); err != nil {
			t.Fatal(err)
		}
		w.uses(3*poll, w.pair, "without a key again")
		if s := w.Stats(); s.ReloadError == nil || s.ReloadsFailed != 2 {
			t.Errorf("%+v", s)
		}
	})
}

// Reload uses changed files immediately, and returns what is wrong with them.
func TestReload(t *testing.T) {
	watch(t, func(w *watched) {
		second := w.ca.Issue(t, certtest.Options{Name: "second"})
		certtest.WriteFile(t, filepath.Join(w.dir, "tls.crt"), second.Cert)
		if err := w.Reload(); err == nil || w.Stats().ReloadsFailed != 1 {
			t.Errorf("got %v, %+v", err, w.Stats())
		}
		certtest.WriteFile(t, filepath.Join(w.dir, "tls.key"), second.Key)
		if err := w.Reload(); err != nil {
			t.Error(err)
		}
		w.uses(0, second, "immediately")
		before := w.certs.inUse()
		if err := w.Reload(); err != nil || w.certs.inUse() != before || w.book.Count("reloaded") != 1 {
			t.Errorf("once more: %v, and logged %s", err, w.book)
		}
	})
}

// Files that become invalid again in the same way are a problem again, even if Reload read the
// valid ones in between.
func TestReloadBetweenInvalidFiles(t *testing.T) {
	watch(t, func(w *watched) {
		key := filepath.Join(w.dir, "tls.key")
		for n := uint64(1); n <= 2; n++ {
			certtest.WriteFile(t, key, []byte("garbage"))
			w.uses(3*poll, w.pair, "with an invalid key")
			if s := w.Stats(); s.ReloadError == nil || s.ReloadsFailed != n {
				t.Errorf("invalid for the %d. time: %+v", n, s)
			}
			certtest.WriteFile(t, key, w.pair.Key)
			if err := w.Reload(); err != nil || w.Stats().ReloadError != nil {
				t.Errorf("Reload: %v, %+v", err, w.Stats())
			}
		}
	})
}

// Kubernetes writes the files of a secret to a new folder and then replaces a link to the
// folder. The names of the files stay the same, and their times may, too.
func TestSwappedFolder(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows needs a privilege for links")
	}
	synctest.Test(t, func(t *testing.T) {
		m := newMount(t, certtest.NewAuthority(t, "test"))
		n := newMem(t, Config{Addresses: []Address{address("127.0.0.1:0", secure)}, TLS: m.files()})
		n.start()
		defer n.close()
		w := &watched{mem: n, t: t}
		for range 3 {
			pair := m.swap(t)
			w.uses(soon, pair, "after a swap")
		}
		if n.book.Count("level=ERROR") != 0 {
			t.Errorf("logged %s", n.book)
		}
	})
}

// mount is a folder with links, like those in which Kubernetes mounts secrets.
type mount struct {
	dir string
	ca  *certtest.Authority
	n   int
}

func newMount(t *testing.T, ca *certtest.Authority) *mount {
	t.Helper()
	m := &mount{dir: t.TempDir(), ca: ca}
	for _, name := range []string{"tls.crt", "tls.key"} {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(m.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	m.swap(t)
	return m
}

func (m *mount) files() TLS {
	return TLS{CertFile: filepath.Join(m.dir, "tls.crt"), KeyFile: filepath.Join(m.dir, "tls.key")}
}

// swap replaces the pair and returns the new one. Like Kubernetes, it removes the old folder.
func (m *mount) swap(t *testing.T) certtest.Pair {
	t.Helper()
	m.n++
	name := "..v" + string(rune('a'+m.n%26))
	folder := filepath.Join(m.dir, name)
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	pair := m.ca.Issue(t, certtest.Options{Name: "example.com"})
	cert, key := pair.Write(t, folder)
	long := time.Unix(1_000_000, 0)
	for _, f := range []string{cert, key} {
		if err := os.Chtimes(f, long, long); err != nil {
			t.Fatal(err)
		}
	}
	data := filepath.Join(m.dir, "..data")
	old, _ := os.Readlink(data)
	if err := os.Symlink(name, data+"_tmp"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(data+"_tmp", data); err != nil {
		t.Fatal(err)
	}
	if old != "" {
		if err := os.RemoveAll(filepath.Join(m.dir, old)); err != nil {
			t.Fatal(err)
		}
	}
	return pair
}
