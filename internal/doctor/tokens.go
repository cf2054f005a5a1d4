package doctor

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/ignis-go/ignis/auth/jwtauth"
)

func (c *Config) tokensGroup() group {
	return group{name: "tokens", checks: []check{
		{name: "tokens.files", run: c.checkKeyFiles},
		{name: "tokens.jwks", run: c.checkJWKS},
	}}
}

// checkKeyFiles reads the files with keys as a server does.
func (c *Config) checkKeyFiles(context.Context) (list []Finding) {
	files := c.App.Tokens.KeyFiles
	if c.App.JWTSecretFile != "" {
		files = append([]jwtauth.KeyFile{{Name: c.App.JWTSecretFile, Secret: true}}, files...)
	}
	if len(files) == 0 {
		return []Finding{skip("no file with keys is configured")}
	}
	for _, f := range files {
		status, err := readKeys(jwtauth.Config{KeyFiles: []jwtauth.KeyFile{f}})
		if err != nil {
			list = append(list, fail("correct the file; docs/tokens.md describes the formats", "%v", err))
			continue
		}
		list = append(list, judgeKeys(status, f.Name+": "))
	}
	return list
}

// readKeys reads the keys of the only file of c.
func readKeys(c jwtauth.Config) (jwtauth.SourceStatus, error) {
	c.Logger = slog.New(slog.DiscardHandler)
	v, err := jwtauth.New(c)
	if err != nil {
		return jwtauth.SourceStatus{}, err
	}
	return v.Status()[0], nil
}

// judgeKeys returns the finding for keys that were read. text is the beginning of its text.
func judgeKeys(s jwtauth.SourceStatus, text string) Finding {
	keys := "1 key"
	if s.Keys != 1 {
		keys = fmt.Sprintf("%d keys", s.Keys)
	}
	if s.Skipped > 0 {
		return warn("remove the other keys, or correct them", "%s%s can be used, and %d cannot", text, keys, s.Skipped)
	}
	return ok("%s%s can be used", text, keys)
}

// checkJWKS fetches the JWK sets as a server does.
func (c *Config) checkJWKS(ctx context.Context) []Finding {
	sets := c.App.Tokens.JWKS
	if len(sets) == 0 {
		return []Finding{skip("no JWK set is configured")}
	}
	v, err := jwtauth.New(jwtauth.Config{JWKS: sets, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return []Finding{fail("docs/tokens.md describes JWK sets", "%v", err)}
	}
	began := time.Now()
	_ = v.Reload(ctx) // Status has the errors
	took := time.Since(began).Round(time.Millisecond)
	var list []Finding
	for i, s := range v.Status() {
		switch {
		case s.Err != nil:
			list = append(list, fail("check the address, and that this machine may connect to it; tokens that are signed with these keys are not accepted until then", "%s: %v", s.Name, s.Err))
		case s.Loaded.IsZero():
			list = append(list, fail("check the address, and that this machine may connect to it", "%s: not fetched within %v", s.Name, took))
		default:
			again := ""
			if sets[i].Refresh > 0 {
				again = fmt.Sprintf(", and by servers again every %v", sets[i].Refresh)
			}
			list = append(list, judgeKeys(s, fmt.Sprintf("%s: fetched within %v%s; ", s.Name, took, again)))
		}
	}
	return list
}
