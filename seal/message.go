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

// Sizes of a sealed message, in bytes.
const (
	NonceSize = 12 // size of the iv
	Overhead  = 16 // difference in size between ciphertext and message
)

// Key seals and opens messages. Its methods are safe for concurrent use. The zero value is
// not usable: it fails to open any message and panics when it seals one.
type Key struct{ aead cipher.AEAD }

// NewKey returns a Key from its 32 bytes.
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

// The parts of a frame around iv and ciphertext.
const (
	beforeData = `{"event":"encrypted","data":`
	beforeIV   = `{"iv":"`
	beforeCT   = `","ct":"`
	afterCT    = `"}`
	afterData  = `}`
)

// AppendFrame seals a message, appends the resulting encrypted event to dst and returns
// the extended buffer. The additional data aad, which may be nil, must equal the aad that
// the peer passes to [Key.Open]. Neither message nor aad may overlap the memory of dst
// between its length and its capacity.
func (k *Key) AppendFrame(dst, message, aad []byte) []byte {
	dst = append(dst, beforeData...)
	dst = k.AppendData(dst, message, aad)
	return append(dst, afterData...)
}

// AppendData is like [Key.AppendFrame] but appends only the data of the encrypted event.
func (k *Key) AppendData(dst, message, aad []byte) []byte {
	return k.appendWith(dst, message, aad, func(iv []byte) { _, _ = rand.Read(iv) }) // never fails
}

// appendWith writes iv and ciphertext to the spare capacity of dst, after the space for their
// base64, and encodes them from there.
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

// Open opens the data of an encrypted event, appends the message to dst, which may be nil,
// and returns the extended buffer. Even if it fails, Open may overwrite the memory of dst
// between its length and its capacity, which neither data nor aad may overlap. Open rejects
// data that is not an object with the strings iv and ct, base64 that is malformed or not
// canonical, wrong lengths, and messages that were not sealed with this key and aad. Every
// error wraps [ErrSealed].
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
	iv := dst[cap(dst)-NonceSize : cap(dst)] // at the end, so that it needs no separate allocation
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

// decodeInto decodes canonical base64 to dst and returns the number of bytes. It returns 0 if
// the text is not canonical base64 or does not fit.
func decodeInto(dst, text []byte) int {
	if coding.DecodedLen(len(text)) > len(dst) && len(text) != coding.EncodedLen(len(dst)) {
		return 0
	}
	n, err := coding.Decode(dst, text)
	// The decoder ignores line breaks, which would allow several encodings of one value.
	if err != nil || coding.EncodedLen(n) != len(text) {
		return 0
	}
	return n
}

// split returns the base64 of iv and ct if data is written exactly as by AppendData.
func split(data []byte) (iv, ct []byte, ok bool) {
	rest, begins := bytes.CutPrefix(data, []byte(beforeIV))
	iv, rest, cut := bytes.Cut(rest, []byte(beforeCT))
	ct, ends := bytes.CutSuffix(rest, []byte(afterCT))
	// Without quotes and escapes, iv and ct are the values of the strings.
	return iv, ct, begins && cut && ends &&
		bytes.IndexByte(iv, '"') < 0 && bytes.IndexByte(iv, '\\') < 0 &&
		bytes.IndexByte(ct, '"') < 0 && bytes.IndexByte(ct, '\\') < 0
}

// members returns the strings iv and ct of a JSON object.
func members(data []byte) (iv, ct []byte, err error) {
	var fields map[string]json.RawMessage // a struct would match keys regardless of case
	if err := json.Unmarshal(data, &fields); err != nil || fields == nil {
		return nil, nil, fmt.Errorf("%w: not an object", ErrSealed)
	}
	var texts [2]*string
	for i, name := range []string{"iv", "ct"} {
		if json.Unmarshal(fields[name], &texts[i]) != nil || texts[i] == nil {
			return nil, nil, fmt.Errorf("%w: no string %q", ErrSealed, name)
		}
	}
	return []byte(*texts[0]), []byte(*texts[1]), nil
}
