package jwtauth

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Run fetches JWK sets and reads key files again when they change, until ctx is done, and
// then returns nil. It is needed only if the verifier has KeyFiles or JWKS: without it,
// JWK sets are never fetched and files are read only by New and Reload. Run may be called
// again after it has returned. It returns an error if another Run is in progress.
//
// A JWK set that cannot be fetched is not an error. It is logged, and Run tries again.
func (v *Verifier) Run(ctx context.Context) error {
	v.mu.Lock()
	running := v.running
	v.running = true
	v.mu.Unlock()
	if running {
		return errors.New("jwtauth: Run: the verifier is already running")
	}
	var wg sync.WaitGroup
	if len(v.files) > 0 {
		wg.Go(func() { v.watchFiles(ctx) })
	}
	for _, s := range v.remotes {
		wg.Go(func() { v.follow(ctx, s) })
	}
	<-ctx.Done()
	wg.Wait()
	v.mu.Lock()
	v.running = false
	v.mu.Unlock()
	return nil
}

// Reload reads all files and fetches all JWK sets now, and returns when that is done or ctx
// is done. If a file or JWK set cannot be read, its previous keys are kept, and the error
// names it. Programs call Reload on SIGHUP.
func (v *Verifier) Reload(ctx context.Context) error {
	errs := make([]error, len(v.files)+len(v.remotes))
	var wg sync.WaitGroup
	for i, s := range v.remotes {
		wg.Go(func() { errs[len(v.files)+i] = readError(s.status.Name+": ", v.load(ctx, s)) })
	}
	for i, s := range v.files {
		errs[i] = readError("", v.readFile(s)) // the error has the name
	}
	wg.Wait()
	return errors.Join(errs...)
}

func readError(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("jwtauth: read keys from %s%w", name, err)
}

// Status describes the KeyFiles and then the JWKS, in the order of the configuration.
func (v *Verifier) Status() []SourceStatus {
	var list []SourceStatus
	for _, s := range v.files {
		list = append(list, s.snapshot())
	}
	for _, s := range v.remotes {
		list = append(list, s.snapshot())
	}
	return list
}

// refresh requests a fetch of each JWK set because a token has an unknown key ID, and waits
// until the fetches have ended or ctx is done. It reports whether there were any.
func (v *Verifier) refresh(ctx context.Context) bool {
	var attempts []<-chan struct{}
	for _, s := range v.remotes {
		if attempt := s.want(); attempt != nil {
			attempts = append(attempts, attempt)
		}
	}
	for _, attempt := range attempts {
		select {
		case <-attempt:
		case <-ctx.Done():
			return false
		}
	}
	return len(attempts) > 0
}

// incomplete reports whether a JWK set has never been fetched.
func (v *Verifier) incomplete() bool {
	for _, s := range v.remotes {
		if s.snapshot().Loaded.IsZero() {
			return true
		}
	}
	return false
}
