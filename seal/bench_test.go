package seal_test

import (
	"strings"
	"testing"

	"github.com/ignis-go/ignis/seal"
)

func BenchmarkAppendFrame(b *testing.B) {
	key, _ := seal.NewKey(make([]byte, 32))
	message := []byte(`{"event":"news","data":"` + strings.Repeat("x", 128) + `"}`)
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = key.AppendFrame(dst[:0], message, nil)
	}
}

func BenchmarkOpen(b *testing.B) {
	key, _ := seal.NewKey(make([]byte, 32))
	data := key.AppendData(nil, []byte(`{"event":"news","data":"`+strings.Repeat("x", 128)+`"}`), nil)
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst, _ = key.Open(dst[:0], data, nil)
	}
}

// BenchmarkAccept measures what a server spends on a client that requests encryption.
func BenchmarkAccept(b *testing.B) {
	own, _ := seal.NewPrivateKey()
	key := seal.PublicKey(own)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := seal.Accept(key, ""); err != nil {
			b.Fatal(err)
		}
	}
}
