package httpapi_test

import (
	"context"
	"os"
	"testing"

	"github.com/ignis-go/ignis/internal/childproc"
)

// dump returns the page at a URL as HTML, after its scripts have run.
func dump(t *testing.T, browser, url string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	cmd := childproc.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--user-data-dir="+t.TempDir(), "--virtual-time-budget=5000", "--dump-dom", url)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	out, err := cmd.Output()
	return string(out), err
}
