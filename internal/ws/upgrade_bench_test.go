package ws

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
)

// BenchmarkUpgrade measures the time and memory of a handshake with a real net/http server,
// over connections in memory.
func BenchmarkUpgrade(b *testing.B) {
	conns := make(chan net.Conn)
	done := make(chan struct{})
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nc, err := upgraded(w, r)
		if err != nil {
			b.Error(err)
		}
		_ = nc.Close()
		done <- struct{}{}
	})}
	go func() { _ = s.Serve(&memory{conns: conns}) }()
	answer := make([]byte, 1024)
	b.ReportAllocs()
	for b.Loop() {
		ours, theirs := net.Pipe()
		conns <- theirs
		_, _ = io.WriteString(ours, handshake)
		n, _ := ours.Read(answer)
		if n < 100 || string(answer[:12]) != "HTTP/1.1 101" {
			b.Fatalf("got %q", answer[:n])
		}
		<-done
		_ = ours.Close()
	}
	close(conns)
}

// BenchmarkUpgradeTCP measures the same over loopback, including connecting.
func BenchmarkUpgradeTCP(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nc, err := upgraded(w, r)
		if err != nil {
			b.Error(err)
		}
		_ = nc.Close()
	})}
	go func() { _ = s.Serve(l) }()
	defer func() { _ = s.Close() }()
	b.ReportAllocs()
	for b.Loop() {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.WriteString(nc, handshake)
		if line, err := bufio.NewReaderSize(nc, 512).ReadString('\n'); err != nil || line[:12] != "HTTP/1.1 101" {
			b.Fatalf("got %q, %v", line, err)
		}
		_ = nc.Close()
	}
}

// memory is a listener that takes its connections from a channel.
type memory struct{ conns chan net.Conn }

func (l *memory) Accept() (net.Conn, error) {
	if nc, ok := <-l.conns; ok {
		return nc, nil
	}
	return nil, net.ErrClosed
}
func (l *memory) Close() error   { return nil }
func (l *memory) Addr() net.Addr { return &net.UnixAddr{} }

func upgraded(w http.ResponseWriter, r *http.Request) (net.Conn, error) {
	nc, _, _, err := Upgrade(w, r, Terms{})
	return nc, err
}
