package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/url"
	"strings"
	"time"
)

// webhookChecks examines the endpoint of the application. There is no request that every
// endpoint answers without an effect, so none is sent.
type webhookChecks struct {
	c    *Config
	url  *url.URL
	conn net.Conn // nil until checkConnect has succeeded
}

func (c *Config) webhookGroup() group {
	u, err := url.Parse(c.App.Webhook.Client.URL)
	if c.App.Webhook.Client.URL == "" || err != nil {
		return group{name: "webhook", checks: []check{{name: "webhook.connect", run: func(context.Context) []Finding {
			return []Finding{skip("no webhook is configured")}
		}}}}
	}
	w := &webhookChecks{c: c, url: u}
	return group{
		name: "webhook",
		checks: []check{
			{name: "webhook.connect", run: w.checkConnect, required: true},
			{name: "webhook.certificate", run: w.checkCertificate},
		},
		end: func() {
			if w.conn != nil {
				_ = w.conn.Close()
			}
		},
	}
}

// slowWebhook is the time for connecting above which an endpoint is far away.
const slowWebhook = 250 * time.Millisecond

func (w *webhookChecks) checkConnect(ctx context.Context) []Finding {
	port := w.url.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(w.url.Scheme)]
	}
	address := net.JoinHostPort(w.url.Hostname(), port)
	began := time.Now()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	took := time.Since(began).Round(10 * time.Microsecond)
	if err != nil {
		return []Finding{fail("check webhook.url, that the application is running, and the firewall in between", "%s cannot be reached: %v", address, err)}
	}
	w.conn = conn
	if took > slowWebhook {
		return []Finding{warn("run the application near the servers", "connecting to %s takes %v, which clients wait for", address, took)}
	}
	return []Finding{ok("%s accepts connections after %v; no request was sent", address, took)}
}

func (w *webhookChecks) checkCertificate(ctx context.Context) []Finding {
	if !strings.EqualFold(w.url.Scheme, "https") {
		return []Finding{warn("use https unless you trust the network in between", "requests to the webhook, which may contain credentials of clients, are not encrypted")}
	}
	cfg := w.c.App.Webhook.Client.TLS.Clone()
	if cfg == nil {
		cfg = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if cfg.ServerName == "" {
		cfg.ServerName = w.url.Hostname()
	}
	chain, err := handshake(ctx, w.conn, cfg)
	if err != nil {
		return []Finding{fail("correct the certificate of the application, or name its authority in webhook.ca_file", "the TLS handshake with %s fails: %v", w.url.Host, err)}
	}
	return []Finding{judgeExpiry(chain, time.Now())}
}

// handshake performs the TLS handshake of a client and returns the verified chain without its
// root.
func handshake(ctx context.Context, conn net.Conn, cfg *tls.Config) ([]*x509.Certificate, error) {
	secure := tls.Client(conn, cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return secure.ConnectionState().PeerCertificates, nil
}
