package wire

import "errors"

// Publication is the JSON text of an envelope and the channel to publish it on; see
// [AppendEnvelope] and [Address.Channel].
type Publication struct {
	Channel  string
	Envelope []byte
}

// ErrNotSent is wrapped by the errors of publishers about publications that were
// certainly not sent. Sending them again cannot deliver them twice.
var ErrNotSent = errors.New("not sent")
