package logtest_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/ignis-go/ignis/internal/logtest"
)

func TestLog(t *testing.T) {
	var l logtest.Log
	if l.String() != "" || l.Lines() != nil || l.Take() != nil {
		t.Errorf("a new log contains %q", l.String())
	}
	_, _ = l.Write([]byte("one\ntwo two\nthr"))
	_, _ = l.Write([]byte("ee\n"))
	if got := l.Count("two"); got != 2 || !l.Has("three") || l.Has("four") {
		t.Errorf("%q contains two %d times, three %v, four %v", l.String(), got, l.Has("three"), l.Has("four"))
	}
	want := []string{"one", "two two", "three"}
	if got := l.Lines(); !slices.Equal(got, want) {
		t.Errorf("lines %q", got)
	}
	if got := l.Take(); !slices.Equal(got, want) || l.String() != "" {
		t.Errorf("took %q and left %q", got, l.String())
	}
}

func TestLogIsConcurrent(t *testing.T) {
	var l logtest.Log
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			for range 100 {
				l.Logger().Info("x")
				_ = l.Count("x")
			}
		})
	}
	all.Wait()
	if got := len(l.Lines()); got != 1000 {
		t.Errorf("%d lines", got)
	}
}
