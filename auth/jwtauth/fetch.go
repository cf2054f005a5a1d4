package jwtauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/ignis-go/ignis/internal/printable"
)

// maxHeader is the maximum size of the header of a response in bytes.
const maxHeader = 16 << 10

// fetcher fetches a URL. It trusts the server only to provide keys: the server cannot make a
// fetch take longer, use more memory or connect elsewhere than configured.
type fetcher struct {
	url     string
	timeout time.Duration
	maxSize int
	client  *http.Client
}

// checkURL parses the URL of a JWK set, and returns it without the query as its name.
func checkURL(text string) (name string, u *url.URL, err error) {
	if u, err = url.Parse(text); err != nil {
		return "", nil, errors.New("a URL is invalid: expected https://HOST/PATH")
	}
	name = printable.Text(u.Scheme+"://"+u.Host+u.EscapedPath(), 200)
	switch {
	case u.Host == "" || u.Hostname() == "":
		return "", nil, fmt.Errorf("the URL %q is invalid: expected https://HOST/PATH", name)
	case u.User != nil:
		return "", nil, fmt.Errorf("the URL %q must not contain credentials", name)
	case u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()):
		return name, u, nil
	}
	return "", nil, fmt.Errorf("the URL %q must be https, because an attacker who can change the response can log in as anyone", name)
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func newFetcher(j JWKS, u *url.URL) fetcher {
	dialer := &net.Dialer{}
	if u.Scheme == "http" {
		dialer.Control = onlyLoopback // localhost could resolve to anything
	}
	return fetcher{
		url: u.String(), timeout: j.Timeout, maxSize: j.MaxSize,
		client: &http.Client{
			Transport: &http.Transport{
				Proxy:                  http.ProxyFromEnvironment,
				DialContext:            dialer.DialContext,
				TLSClientConfig:        j.TLS.Clone(), // nil: TLS 1.2 or newer
				DisableKeepAlives:      true,          // the next fetch is minutes away
				DisableCompression:     true,
				MaxResponseHeaderBytes: maxHeader,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// onlyLoopback is the Control function of a net.Dialer. It rejects all addresses except
// loopback addresses.
func onlyLoopback(_, address string, _ syscall.RawConn) error {
	if addr, err := netip.ParseAddrPort(address); err != nil || !addr.Addr().Unmap().IsLoopback() {
		return errors.New("http is allowed on loopback addresses only")
	}
	return nil
}

// maxReason is the maximum length of an error that may contain text from the server.
const maxReason = 300

// fetch returns the body of the response. Its errors can be logged. They do not contain the
// URL, because its query may be confidential, and text from the server is made printable.
func (f *fetcher) fetch(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	text, err := f.get(ctx)
	if err == nil {
		return text, nil
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, fmt.Errorf("the server did not answer completely within %v", f.timeout)
	}
	var e *url.Error
	if errors.As(err, &e) {
		err = e.Err
	}
	return nil, errors.New("fetch a JWK set: " + printable.Text(printable.HTTPError(err).Error(), maxReason))
}

func (f *fetcher) get(ctx context.Context) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	req.Header.Set("User-Agent", "ignis")
	res, err := f.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	switch {
	case res.StatusCode >= 300 && res.StatusCode < 400:
		return nil, fmt.Errorf("the server answered with a redirect (%d), which is not followed: configure the URL that it leads to", res.StatusCode)
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the server answered %d instead of 200", res.StatusCode)
	case res.ContentLength > int64(f.maxSize):
		return nil, fmt.Errorf("the response has %d bytes, more than %d", res.ContentLength, f.maxSize)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, int64(f.maxSize)+1))
	if err != nil {
		return nil, fmt.Errorf("read the response: %w", err)
	}
	if len(text) > f.maxSize {
		return nil, fmt.Errorf("the response has more than %d bytes", f.maxSize)
	}
	return text, nil
}
