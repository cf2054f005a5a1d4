package redisbus

import "testing"

// A replaced link ends when no call uses it.
func TestReplacedLink(t *testing.T) {
	over := func(l *link) bool {
		l.conns.mu.Lock()
		defer l.conns.mu.Unlock()
		return l.conns.sealed != nil
	}
	p := &Publisher{dial: make(chan struct{}, 1), cfg: Config{ProbeInterval: DefaultProbeInterval}}
	p.dial <- struct{}{}
	var links []*link
	for range 4 {
		l := &link{conns: newConns()}
		if err := p.adopt(l); err != nil {
			t.Fatal(err)
		}
		links = append(links, l)
		if len(links) == 2 && over(links[0]) {
			t.Error("the link ended although a call uses it")
		}
	}
	if !over(links[0]) || !over(links[1]) || over(links[2]) || over(links[3]) {
		t.Error("more than one replaced link is kept")
	}
	p.release(links[2])
	if !over(links[2]) {
		t.Error("the replaced link is still open although no call uses it")
	}
	p.release(links[3])
	if l, ok, err := p.fresh(); l != links[3] || !ok || err != nil || over(l) {
		t.Errorf("the newest link: %v, %v", ok, err)
	}
	p.release(links[3])
	last := &link{conns: newConns()}
	if err := p.adopt(last); err != nil || !over(links[3]) {
		t.Errorf("an unused link is not closed immediately (%v)", err)
	}
	if err := p.adopt(links[3]); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil || !over(last) {
		t.Errorf("Close = %v, or the replaced link is still open", err)
	}
	if err := p.adopt(&link{conns: newConns()}); err != ErrClosed { //nolint:errorlint // it is that one
		t.Errorf("after Close: %v", err)
	}
}
