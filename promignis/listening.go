package promignis

import "time"

// Listening is the state of a program's listeners, for [Config].Listening. The counters begin
// with the start of the process.
type Listening struct {
	// Preparing is the number of connections whose TLS handshake or PROXY header is not
	// complete, and Waiting that of connections that have sent no complete request.
	Preparing, Waiting int
	// Handshakes counts TLS handshakes that succeeded, HandshakesFailed those that failed,
	// HandshakesSlow those that took too long, and HandshakesCutOff connections that were
	// closed before because there were too many of them.
	Handshakes, HandshakesFailed, HandshakesSlow, HandshakesCutOff uint64
	// ProxyRefused counts connections of proxies without a valid PROXY header.
	ProxyRefused uint64
	// RequestsSlow counts connections that were closed because a request was not complete in
	// time, and RequestsCutOff those that were closed before because there were too many.
	RequestsSlow, RequestsCutOff uint64

	// CertificateExpires is when the first of the certificates that clients see expires.
	// Zero: there is no TLS.
	CertificateExpires time.Time
	// ReloadsFailed counts changes of the certificate's files that could not be used, and
	// ReloadError is why the current files are not in use; nil if they are.
	ReloadsFailed uint64
	ReloadError   error

	// ACMEDomains is the number of domains for which certificates are obtained by ACME,
	// ACMEMissing that of domains without a certificate, and ACMEFailing that of the others whose
	// latest order failed. Zero domains: no certificates are obtained.
	ACMEDomains, ACMEMissing, ACMEFailing int
	// ACMEIssued counts certificates that were ordered, and ACMEFailed orders that failed.
	ACMEIssued, ACMEFailed uint64
}

// listeningFamilies are read from Listening.
var listeningFamilies = []family[Listening]{
	{
		"listener_pending", gauge, "Connections that are not clients yet, by what they have to complete first: a TLS handshake or PROXY header, or a request.",
		[]string{"stage"},
		func(l Listening, e emitter) {
			e.add(float64(l.Preparing), "handshake")
			e.add(float64(l.Waiting), "request")
		},
	},
	{
		"listener_closed_total", counter, "Connections that were closed before they had sent a complete request, by reason.",
		[]string{"reason"},
		func(l Listening, e emitter) {
			e.add(float64(l.HandshakesFailed), "TLS handshake failed")
			e.add(float64(l.HandshakesSlow), "TLS handshake too slow")
			e.add(float64(l.HandshakesCutOff), "too many handshakes")
			e.add(float64(l.ProxyRefused), "PROXY header missing or malformed")
			e.add(float64(l.RequestsSlow), "request too slow")
			e.add(float64(l.RequestsCutOff), "too many incomplete requests")
		},
	},
	{
		"tls_handshakes_total", counter, "TLS handshakes that succeeded.", nil,
		func(l Listening, e emitter) { e.add(float64(l.Handshakes)) },
	},
	{
		"tls_certificate_expiry_timestamp_seconds", gauge, "When the certificate that clients see expires, in seconds since 1970. Absent without TLS.", nil,
		func(l Listening, e emitter) {
			if !l.CertificateExpires.IsZero() {
				e.add(timestamp(l.CertificateExpires))
			}
		},
	},
	{
		"tls_files_ok", gauge, "1 if the current files with the certificate are in use, 0 if they cannot be used and earlier ones are.", nil,
		func(l Listening, e emitter) { e.flag(l.ReloadError == nil) },
	},
	{
		"tls_reload_failures_total", counter, "Changes of the files with the certificate that could not be used.", nil,
		func(l Listening, e emitter) { e.add(float64(l.ReloadsFailed)) },
	},
	{
		"acme_domains", gauge, "Domains for which certificates are obtained by ACME, by state: ok, failing (the previous certificate is in use) or missing (there is none). Absent without ACME.",
		[]string{"state"},
		func(l Listening, e emitter) {
			if l.ACMEDomains > 0 {
				e.add(float64(l.ACMEDomains-l.ACMEMissing-l.ACMEFailing), "ok")
				e.add(float64(l.ACMEFailing), "failing")
				e.add(float64(l.ACMEMissing), "missing")
			}
		},
	},
	{
		"acme_orders_total", counter, "Orders of certificates by ACME, by outcome: issued or failed. Absent without ACME.",
		[]string{"outcome"},
		func(l Listening, e emitter) {
			if l.ACMEDomains > 0 {
				e.add(float64(l.ACMEIssued), "issued")
				e.add(float64(l.ACMEFailed), "failed")
			}
		},
	},
}

// timestamp returns t in seconds since 1970, or 0 for the zero time.
func timestamp(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
