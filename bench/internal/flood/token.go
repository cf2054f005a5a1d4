package flood

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// Token returns a token that is valid for an hour on a server with the given secret.
func Token(secret string) string {
	text := unsigned(fmt.Sprintf(`{"sub":"probe","rooms":["*"],"exp":%d}`, time.Now().Add(time.Hour).Unix()))
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(text)) // never fails
	return text + "." + base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// forged returns a token of about size bytes that looks valid until its signature is
// checked. It consists mostly of room names, which are the most expensive part to parse.
func forged(size int) string {
	names := strings.Repeat(`"a",`, size*3/4/4-32) + `"a"`
	text := unsigned(fmt.Sprintf(`{"sub":"mallory","rooms":[%s],"exp":%d}`, names, time.Now().Add(time.Hour).Unix()))
	return text + "." + base64.RawURLEncoding.EncodeToString(make([]byte, sha256.Size))
}

func unsigned(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode([]byte(claims))
}
