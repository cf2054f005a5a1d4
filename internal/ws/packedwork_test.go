package ws

import (
	"errors"
	"slices"
	"testing"

	"github.com/gobwas/ws"
)

// bitWriter writes a compressed text bit by bit.
type bitWriter struct {
	out  []byte
	bits uint64
	n    uint
}

func (w *bitWriter) put(bits uint64, n uint) {
	w.bits |= bits << w.n
	for w.n += n; w.n >= 8; w.n -= 8 {
		w.out = append(w.out, byte(w.bits))
		w.bits >>= 8
	}
}

func (w *bitWriter) align() { w.put(0, -w.n&7) }

// emptyBlock writes a block that has only code tables: 12 bytes that keep the decompressor
// busy for 3 us.
func (w *bitWriter) emptyBlock() {
	w.put(4, 3)      // not the last one, with tables
	w.put(0, 5+5)    // 257 codes, and one for distances
	w.put(18-4, 4)   // lengths of codes of lengths, of which
	w.put(1<<6, 3*3) // 18 has 1 bit
	w.put(0, 3*14)   // (others have none)
	w.put(1, 3)      // and so has 1
	w.put(1, 1)      // 18:
	w.put(138-11, 7) // 138 codes do not occur,
	w.put(1, 1)      //
	w.put(118-11, 7) // nor do 118 others,
	w.put(0, 1+1)    // and two have 1 bit
	w.put(0, 1)      // the end of the block
}

// Decompressing a message may take a millisecond even if it is small both compressed and
// decompressed. Either another goroutine does it, or others get their turn right after it.
func TestTurnsCountDecompressing(t *testing.T) {
	w := &bitWriter{}
	w.put(0, 3)
	w.align()
	w.out = append(w.out, 1, 0, 0xfe, 0xff, 'x')
	for len(w.out) < lightPacked-20 {
		w.emptyBlock()
	}
	w.put(0, 3)
	w.align()
	p := parser{max: 8 << 10, deflate: true, turns: true}
	n := 0
	err := p.feed(slices.Repeat(maskedPacked(ws.OpText, true, string(w.out)), 4), func(_ ws.OpCode, b []byte) error {
		if n++; string(b) != "x" {
			t.Errorf("got %.20q", b)
		}
		return nil
	})
	if n > 1 || !errors.Is(err, errTurn) && !errors.Is(err, errHeavy) {
		t.Errorf("%d messages in a turn, %v", n, err)
	}
}
