package docsite

import (
	"testing"
	"time"

	"github.com/ignis-go/ignis/docs"
)

func TestTry(t *testing.T) {
	b := time.Now()
	s, err := New(docs.Files, "v")
	if err != nil {
		t.Fatal(err)
	}
	t.Log(time.Since(b))
	for n, f := range s.files {
		t.Log(n, len(f.content))
	}
	if err := s.Write("/tmp/docsite-out"); err != nil {
		t.Fatal(err)
	}
}
