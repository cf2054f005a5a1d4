package ws

import (
	"compress/flate"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/longtest"
)

// Compressed messages arrive complete and in order, even if the socket accepts them
// in parts.
func TestCompressedInPieces(t *testing.T) {
	longtest.Mark(t)
	onAll(t, func(t *testing.T, tr transport) {
		opts := defaults()
		opts.Engine = newEngine(t, EngineConfig{Plain: tr.plain})
		server, client := tr.pair(t)
		defer func() { _ = client.Close() }()
		if small, ok := server.(interface{ SetWriteBuffer(int) error }); ok {
			_ = small.SetWriteBuffer(4 << 10)
		}
		c := NewConn(server, maxWindow, &opts)
		l := begin(c, nil, ignore)
		const n = 100
		noise := rand.NewChaCha8([32]byte{})
		var want [n]string
		for i := range want {
			b := make([]byte, rand.IntN(20_000))
			_, _ = noise.Read(b)
			want[i] = hex.EncodeToString(b) // compresses to half its length
			c.Enqueue(text(want[i]))
		}
		packed := 0
		for i := range want {
			f := readRaw(t, client)
			got := string(f.Payload)
			if f.Header.Rsv1() {
				packed++
				b, err := io.ReadAll(flate.NewReader(strings.NewReader(got + finalTail)))
				if err != nil {
					t.Fatal(err)
				}
				got = string(b)
			}
			if got != want[i] {
				t.Fatalf("message %d has %d bytes, want %d", i, len(got), len(want[i]))
			}
		}
		if packed < n/2 {
			t.Errorf("%d of %d messages were compressed", packed, n)
		}
		for c.Queued() > 0 { //nolint:revive // the writer has yet to notice
		}
		c.Abort(CauseAborted)
		wait(t, l.finished)
	})
}
