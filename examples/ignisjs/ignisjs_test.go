package ignisjs_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/ignis-go/ignis/examples/ignisjs"
)

func TestScriptIsTheOneOfTheServer(t *testing.T) {
	want, err := os.ReadFile("../../internal/app/sdk/ignis.js")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(ignisjs.Script, want) {
		t.Error("ignis.js differs from internal/app/sdk/ignis.js: run make ignis-js")
	}
}
