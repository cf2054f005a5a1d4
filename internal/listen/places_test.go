package listen

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis/internal/certtest"
)

// newSecureMem returns a mem that speaks TLS, and the configuration of its clients.
func newSecureMem(t *testing.T, places int) (*mem, *tls.Config) {
	t.Helper()
	ca := certtest.NewAuthority(t, "test")
	cert, key := ca.Issue(t, certtest.Options{Name: "example.com"}).Write(t, t.TempDir())
	n := newMem(t, Config{
		Addresses: []Address{address("127.0.0.1:0", secure)}, TLS: TLS{CertFile: cert, KeyFile: key}, MaxHandshakes: places,
	})
	return n, &tls.Config{RootCAs: ca.Pool(), ServerName: "example.com", Time: time.Now}
}

// ends waits until the other side of nc is closed, and returns how long that took.
func ends(nc net.Conn) time.Duration {
	began := time.Now()
	_, _ = io.Copy(io.Discard, nc)
	return time.Since(began)
}

func TestSlowHandshakes(t *testing.T) {
	for name, trickle := range map[string]bool{"silent": false, "a byte a second": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, _ := newSecureMem(t, 10)
				defer n.close()
				slow := n.dial()
				var sending sync.WaitGroup
				if trickle {
					sending.Go(func() {
						for _, b := range []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03abcdefghijklmnop") {
							if _, err := slow.Write([]byte{b}); err != nil {
								return
							}
							time.Sleep(time.Second)
						}
					})
				}
				d := ends(slow)
				synctest.Wait()
				if s := n.Stats(); d != 5*time.Second || s.HandshakesSlow != 1 || s.Pending != 0 || n.book.Count("it took longer than 5s") != 1 {
					t.Errorf("closed after %v, %+v, and logged %s", d, s, n.book)
				}
				sending.Wait()
			})
		})
	}
}

// Silent peers lose their places to others after half a second, but only if all places are
// taken. Peers in the middle of a handshake keep theirs.
func TestSilentPeersMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const places = 4
		n, client := newSecureMem(t, places)
		defer n.close()
		var silent [places]net.Conn
		for i := range silent {
			silent[i] = n.dial()
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		if s := n.Stats(); s.Pending != places || s.HandshakesCutOff != 0 {
			t.Fatalf("%+v", s)
		}
		began := time.Now()
		honest := tls.Client(n.dial(), client)
		shaken := make(chan error, 1)
		go func() { shaken <- honest.Handshake() }()
		nc, err := n.Accept()
		if err != nil {
			t.Fatal(err)
		}
		// The first silent one came 400 ms before the honest one.
		if d := time.Since(began); <-shaken != nil || d != 100*time.Millisecond {
			t.Errorf("the honest one got in after %v", d)
		}
		if d := ends(silent[0]); d != 0 {
			t.Errorf("the first silent one was closed %v later", d)
		}
		synctest.Wait()
		if s := n.Stats(); s.HandshakesCutOff != 1 || s.Handshakes != 1 || n.book.Count("too many others are waiting") != 1 {
			t.Errorf("%+v, and logged %s", s, n.book)
		}
		// There is room now, so the others have their full time.
		for i, s := range silent[1:] {
			ends(s)
			if d := time.Since(began); d != 5*time.Second-time.Duration(places-1-i)*100*time.Millisecond {
				t.Errorf("silent peer %d was closed after %v", i+1, d)
			}
		}
		go func() { _ = nc.Close() }()
		_, _ = io.Copy(io.Discard, honest)
	})
}

// A peer that sends single bytes loses its place like a silent one.
func TestTricklingPeersMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _ := newSecureMem(t, 1)
		defer n.close()
		trickling := n.dial()
		var sending sync.WaitGroup
		sending.Go(func() {
			for {
				if _, err := trickling.Write([]byte{0x16}); err != nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
		sending.Go(func() { n.dial() })
		if d := ends(trickling); d != 500*time.Millisecond && d != 400*time.Millisecond {
			t.Errorf("closed after %v", d)
		}
		sending.Wait()
	})
}

// Close ends handshakes, waits for their goroutines and logs nothing.
func TestCloseEndsHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _ := newSecureMem(t, 1)
		slow := n.dial()
		waiting := make(chan struct{})
		go func() {
			defer close(waiting)
			near, far := net.Pipe()
			n.peers = append(n.peers, far)
			n.dialed <- memConn{near}
		}()
		<-waiting
		synctest.Wait()
		began := time.Now()
		n.close()
		if _, err := n.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept returns %v", err)
		}
		if d := time.Since(began); d != 0 || n.Stats().Pending != 0 || n.book.Count("handshake") != 0 {
			t.Errorf("it took %v, and logged %s", d, n.book)
		}
		if _, err := slow.Read(make([]byte, 1)); err == nil {
			t.Error("the connection is still open")
		}
	})
}
