package wire

import "errors"

// Publication is the JSON text of an envelope and the channel to publish it on; see
// [AppendEnvelope] and [Address.Channel].
type Publication struct {
	Channel  string
	Envelope []byte
}

// ErrNotSent is wrapped by a publisher's errors for publications that were definitely not
// sent, so that sending them again cannot deliver them twice.
var ErrNotSent = errors.New("not sent")
