//go:build !linux

package childproc

func (c *Cmd) bind() {}

func onThread(f func()) { f() }

// Follow does nothing on this system.
func Follow(int) {}
