package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
)

// NonceSize is how many random bytes, the iv, belong to a sealed message, and
// Overhead how much longer than the message its ciphertext is.
const (
	NonceSize = 12
	Overhead  = 16
)

// Key seals and opens messages. Its methods may be called from any goroutine. The
// zero value is no key: it opens nothing, and panics when it is to seal.
type Key struct{ aead cipher.AEAD }

// NewKey returns the key that consists of the 32 bytes.
func NewKey(key []byte) (*Key, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("seal: key of %d bytes, want %d", len(key), KeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return &Key{aead}, nil
}

// A frame, around iv and ciphertext.
const (
	beforeData = `{"event":"encrypted","data":`
	beforeIV   = `{"iv":"`
	beforeCT   = `","ct":"`
	afterCT    = `"}`
	afterData  = `}`
)

// AppendFrame appends the encrypted event around a sealed message to dst: the text
// to send. Aad is additional data that the peer must give too; most have none.
// Neither message nor aad may overlap dst's memory between its length and its capacity.
func (k *Key) AppendFrame(dst, message, aad []byte) []byte {
	dst = append(dst, beforeData...)
	dst = k.AppendData(dst, message, aad)
	return append(dst, afterData...)
}

// AppendData appends only the data of the encrypted event; see [Key.AppendFrame].
func (k *Key) AppendData(dst, message, aad []byte) []byte {
	return k.appendWith(dst, message, aad, func(iv []byte) { _, _ = rand.Read(iv) }) // it never fails
}

// appendWith makes iv and ciphertext in dst, behind where their base64 will be, and
// encodes them from there.
func (k *Key) appendWith(dst, message, aad []byte, fill func(iv []byte)) []byte {
	n := len(message) + Overhead
	text := len(beforeIV) + coding.EncodedLen(NonceSize) + len(beforeCT) + coding.EncodedLen(n) + len(afterCT)
	dst = slices.Grow(dst, text+NonceSize+n)
	at := len(dst) + text
	iv := dst[at : at+NonceSize]
	fill(iv)
	ct := k.aead.Seal(dst[at+NonceSize:at+NonceSize], iv, message, aad)
	dst = append(dst, beforeIV...)
	dst = coding.AppendEncode(dst, iv)
	dst = append(dst, beforeCT...)
	dst = coding.AppendEncode(dst, ct)
	return append(dst, afterCT...)
}

// Open returns the message in the data of an encrypted event, appended to dst, which
// may be nil. It may overwrite all of dst's memory between its length and its
// capacity, also when it fails: neither data nor aad may overlap that. Every error
// wraps [ErrSealed]: for data that is no object with the strings iv and ct, for base64
// that is none or not canonical, for wrong lengths, and for what was not sealed with
// this key and this aad.
func (k *Key) Open(dst []byte, data json.RawMessage, aad []byte) ([]byte, error) {
	if k.aead == nil {
		return nil, fmt.Errorf("%w: the key is the zero value", ErrSealed)
	}
	iv64, ct64, ok := split(data)
	if !ok {
		var err error
		if iv64, ct64, err = members(data); err != nil {
			return nil, err
		}
	}
	dst = slices.Grow(dst, NonceSize+coding.DecodedLen(len(ct64)))
	ct := dst[len(dst) : cap(dst)-NonceSize]
	iv := dst[cap(dst)-NonceSize : cap(dst)] // behind, where it costs no memory of its own
	if decodeInto(iv, iv64) != NonceSize {
		return nil, fmt.Errorf("%w: iv is not %d bytes in base64", ErrSealed, NonceSize)
	}
	n := decodeInto(ct, ct64)
	if n < Overhead {
		return nil, fmt.Errorf("%w: ct is not %d bytes or more in base64", ErrSealed, Overhead)
	}
	message, err := k.aead.Open(ct[:0], iv, ct[:n], aad) // in place
	if err != nil {
		return nil, ErrSealed
	}
	return dst[:len(dst)+len(message)], nil
}

// decodeInto decodes canonical base64 and returns how many bytes it has; 0 for any other
// text.
func decodeInto(dst, text []byte) int {
	if coding.DecodedLen(len(text)) > len(dst) && len(text) != coding.EncodedLen(len(dst)) {
		return 0
	}
	n, err := coding.Decode(dst, text)
	// The decoder skips line breaks, which would make two texts of one.
	if err != nil || coding.EncodedLen(n) != len(text) {
		return 0
	}
	return n
}

// split takes data apart that is written as AppendData writes it.
func split(data []byte) (iv, ct []byte, ok bool) {
	rest, begins := bytes.CutPrefix(data, []byte(beforeIV))
	iv, rest, cut := bytes.Cut(rest, []byte(beforeCT))
	ct, ends := bytes.CutSuffix(rest, []byte(afterCT))
	// No quote and no escape: then these are the strings.
	return iv, ct, begins && cut && ends &&
		bytes.IndexByte(iv, '"') < 0 && bytes.IndexByte(iv, '\\') < 0 &&
		bytes.IndexByte(ct, '"') < 0 && bytes.IndexByte(ct, '\\') < 0
}

// members returns the strings iv and ct of an object.
func members(data []byte) (iv, ct []byte, err error) {
	var fields map[string]json.RawMessage // a struct would fold the case of keys
	if err := json.Unmarshal(data, &fields); err != nil || fields == nil {
		return nil, nil, fmt.Errorf("%w: no object", ErrSealed)
	}
	var texts [2]*string
	for i, name := range []string{"iv", "ct"} {
		if json.Unmarshal(fields[name], &texts[i]) != nil || texts[i] == nil {
			return nil, nil, fmt.Errorf("%w: no string %q", ErrSealed, name)
		}
	}
	return []byte(*texts[0]), []byte(*texts[1]), nil
}
