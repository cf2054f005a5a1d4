package main

import (
	"bytes"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/longtest"
)

// The linker leaves out methods that nothing calls. It cannot if the program uses reflection to find
// methods by names, which makes it a third larger.
func TestUnusedMethodsAreLeftOut(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	cmd := childproc.CommandContext(t.Context(), "go", "build", "-ldflags=-dumpdep", "-o", filepath.Join(t.TempDir(), "ignis"), ".")
	var dump, errors bytes.Buffer
	cmd.Stdout, cmd.Stderr = &dump, &errors
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %.1000s", err, errors.String())
	}
	dump.Write(errors.Bytes()) // where the linker prints it
	if dump.Len() < 1<<20 {
		t.Fatalf("the linker printed only %d bytes", dump.Len())
	}
	for _, m := range regexp.MustCompile(`(?m)^(\S+) <ReflectMethod> ->`).FindAllSubmatch(dump.Bytes(), 20) {
		t.Errorf("%s finds methods by name", m[1])
	}
}
