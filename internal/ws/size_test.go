package ws

import (
	"testing"
	"unsafe"
)

// A connection that needs more than a size class of the allocator costs each idle client 32
// bytes more.
func TestSizeOfConn(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the size is that of 64-bit systems")
	}
	if n := unsafe.Sizeof(Conn{}); n > 320 {
		t.Errorf("a Conn has %d bytes, want at most 320: keep what few connections need behind a pointer", n)
	}
}
