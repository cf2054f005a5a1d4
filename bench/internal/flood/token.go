package flood

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

const hs256 = `{"alg":"HS256","typ":"JWT"}`

// Token returns a token of a user that is valid for an hour on a server with the given
// secret.
func Token(secret, user string) string {
	text := unsigned(hs256, claims(user))
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(text)) // never fails
	return text + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// claims returns the claims of a user who may join all rooms.
func claims(user string) string {
	return fmt.Sprintf(`{"sub":%q,"rooms":["*"],"exp":%d}`, user, time.Now().Add(time.Hour).Unix())
}

// forged returns a token of about size bytes that looks valid until its signature is
// checked. It consists mostly of room names, which are the most expensive part to parse.
func forged(size int) string {
	names := strings.Repeat(`"a",`, size*3/4/4-32) + `"a"`
	text := unsigned(hs256, fmt.Sprintf(`{"sub":"mallory","rooms":[%s],"exp":%d}`, names, time.Now().Add(time.Hour).Unix()))
	return text + "." + base64.RawURLEncoding.EncodeToString(make([]byte, sha256.Size))
}

func unsigned(header, claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(header)) + "." + encode([]byte(claims))
}

// noise returns the base64 of 64 bytes that depend on n and look random, as a signature
// does.
func noise(n int64) string {
	a := sha256.Sum256(binary.LittleEndian.AppendUint64(nil, uint64(n)))
	b := sha256.Sum256(a[:])
	return base64.RawURLEncoding.EncodeToString(append(a[:], b[:]...))
}
