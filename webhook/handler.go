package webhook

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
)

// VerifierStats is a snapshot of a Verifier's metrics.
type VerifierStats struct {
	Accepted   uint64 // verified requests, not including Repeated
	Repeated   uint64 // verified requests that Handler did not pass on, because it already had
	Headers    uint64 // refused with ErrHeaders
	Timestamp  uint64 // refused with ErrTimestamp
	Signature  uint64 // refused with ErrSignature
	Replayed   uint64 // refused with ErrReplayed
	Full       uint64 // refused with ErrFull
	TooLarge   uint64 // refused because of VerifierConfig.MaxBody
	Incomplete uint64 // refused because the body was not received completely
}

// verifierCounts are the counters of VerifierStats.
type verifierCounts struct {
	accepted, repeated, headers, timestamp, signature, replayed, full, tooLarge, incomplete atomic.Uint64
}

// Stats returns a snapshot of the verifier's metrics.
func (v *Verifier) Stats() VerifierStats {
	n := &v.counts
	return VerifierStats{
		Accepted: n.accepted.Load(), Repeated: n.repeated.Load(), Headers: n.headers.Load(),
		Timestamp: n.timestamp.Load(), Signature: n.signature.Load(), Replayed: n.replayed.Load(),
		Full: n.full.Load(), TooLarge: n.tooLarge.Load(), Incomplete: n.incomplete.Load(),
	}
}

// count counts the result of a verification, and logs the error if there is one. It returns
// err.
func (v *Verifier) count(err error) error {
	n := &v.counts
	switch err {
	case nil:
		n.accepted.Add(1)
	case ErrHeaders:
		n.headers.Add(1)
	case ErrTimestamp:
		n.timestamp.Add(1)
	case ErrSignature:
		n.signature.Add(1)
	case ErrReplayed:
		n.replayed.Add(1)
	case ErrFull:
		n.full.Add(1)
	}
	if err != nil {
		v.limit.Log(slog.LevelWarn, "webhook request refused", "error", err)
	}
	return err
}

// Handler returns a handler that passes verified requests on to next. The body has been
// read completely by then. It answers other requests itself: with 400 if the verification
// fails, with 405 if the method is not POST, with 413 if the body is larger than MaxBody,
// and with 503 for [ErrFull].
//
// A sender that did not receive the answer repeats a request with the same ID. If next has
// answered it with a status from 200 to 299, the repeated request is answered with 200,
// and if next is still handling it, with 409; next is not called. This is limited to the
// time for which the verifier remembers a request, the tolerance.
func (v *Verifier) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "webhook: only POST is supported", http.StatusMethodNotAllowed)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, v.maxBody))
		if err != nil {
			v.unread(w, err)
			return
		}
		before, key, err := v.verify(r.Header, body, true)
		switch {
		case err == nil && before == progressDone:
			v.counts.repeated.Add(1)
			return // 200
		case err == nil && before == progressRunning:
			v.counts.repeated.Add(1)
			http.Error(w, "webhook: the request is being handled", http.StatusConflict)
			return
		}
		switch err := v.count(err); {
		case errors.Is(err, ErrFull):
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		v.pass(w, r, next, body, key)
	})
}

// unread answers a request whose body could not be read.
func (v *Verifier) unread(w http.ResponseWriter, err error) {
	counter, text, status := &v.counts.incomplete, "webhook: the body is incomplete", http.StatusBadRequest
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		counter, text, status = &v.counts.tooLarge, "webhook: the body is too large", http.StatusRequestEntityTooLarge
	}
	counter.Add(1)
	v.limit.Log(slog.LevelWarn, "webhook request refused", "cause", text)
	http.Error(w, text, status)
}

// pass calls next for a request that has been verified.
func (v *Verifier) pass(w http.ResponseWriter, r *http.Request, next http.Handler, body []byte, k replayKey) {
	p := progressNone // unless next returns
	defer func() { v.seen.set(k, p) }()
	r = r.WithContext(r.Context()) // a copy
	r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	s := &statusWriter{ResponseWriter: w}
	next.ServeHTTP(s, r)
	if s.status == 0 || s.status >= 200 && s.status <= 299 {
		p = progressDone
	}
}

// statusWriter records the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int // 0 if next did not set it, which means 200
}

func (s *statusWriter) WriteHeader(status int) {
	if s.status == 0 && status >= 200 { // lower ones are provisional
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *statusWriter) Write(b []byte) (int, error) {
	if s.status == 0 {
		s.status = http.StatusOK
	}
	return s.ResponseWriter.Write(b)
}

// Unwrap returns the writer for [http.ResponseController].
func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }
