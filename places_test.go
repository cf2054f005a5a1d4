package ignis_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// badHijacker is a ResponseWriter whose connection cannot be taken over.
type badHijacker struct {
	*httptest.ResponseRecorder
	hijack func() (net.Conn, *bufio.ReadWriter, error)
}

func (w badHijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.hijack() }

// A request that is accepted but does not become a connection keeps no place, neither of its
// address nor of the server, however it fails.
func TestFailedUpgradesKeepNoPlace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{Accept: from, MaxClients: 1, MaxClientsPerAddress: 1})
		for name, hijack := range map[string]func() (net.Conn, *bufio.ReadWriter, error){
			"fails":  func() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, errors.New("no") },
			"panics": func() (net.Conn, *bufio.ReadWriter, error) { panic("no") },
			"returns a closed connection": func() (net.Conn, *bufio.ReadWriter, error) {
				a, b := net.Pipe()
				_ = a.Close()
				_ = b.Close()
				return a, bufio.NewReadWriter(bufio.NewReader(a), bufio.NewWriter(a)), nil
			},
		} {
			for range 3 {
				r := httptest.NewRequest(http.MethodGet, "/ws", nil)
				for key, value := range map[string]string{
					"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
					"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "X-From": "192.0.2.1:1",
				} {
					r.Header.Set(key, value)
				}
				func() {
					defer func() { _ = recover() }()
					n.ServeHTTP(badHijacker{httptest.NewRecorder(), hijack}, r)
				}()
			}
			synctest.Wait()
			time.Sleep(time.Minute)
			if s := n.Stats(); s.RefusedFull+s.RefusedAddress != 0 || s.Clients != 0 {
				t.Errorf("Hijack %s: counted %+v", name, s)
			}
		}
		n.loginFrom("192.0.2.1:1", "ann")
	})
}

// A call of Authenticate that panics gives up its place, and so does a
// client that gives up waiting for one.
func TestPlacesForAuthenticate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{AuthConcurrency: 1, AuthQueue: 1, Authenticate: func(ctx context.Context, c ignis.Credentials) (ignis.Identity, error) {
			switch c.Token {
			case "panic":
				panic("no")
			case "wait":
				<-ctx.Done()
				return ignis.Identity{}, ctx.Err()
			}
			return anyone(ctx, c)
		}})
		for _, token := range []string{"panic", "panic", "wait", "wait", "wait", "panic"} {
			p := n.connect()
			p.sendCredentials("ann", token)
			waiting := n.connect()
			waiting.sendCredentials("ann", "wait")
			synctest.Wait()
			_ = waiting.conn.Close()
			_ = p.conn.Close()
			synctest.Wait()
		}
		n.login("ann")
		if s := n.Stats(); s.RefusedBusy != 0 || s.Clients != 1 {
			t.Errorf("counted %+v", s)
		}
	})
}

// A shutdown interrupts the clients that wait for Authenticate.
func TestShutdownWhileClientsWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{AuthConcurrency: 1, Authenticate: func(ctx context.Context, _ ignis.Credentials) (ignis.Identity, error) {
			<-ctx.Done()
			return ignis.Identity{}, ctx.Err()
		}})
		var list []*peer
		for range 5 {
			p := n.connect()
			p.sendCredentials("ann", "good")
			list = append(list, p)
		}
		synctest.Wait()
		began := time.Now()
		n.stop()
		if err := <-n.ran; err != nil || time.Since(began) >= 10*time.Second { // the default of ShutdownTimeout
			t.Errorf("Run = %v after %v", err, time.Since(began))
		}
		for _, p := range list {
			p.only(closed(wire.CloseGoingAway)...)
		}
	})
}
