package jwtauth

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"
)

// What is read from PEM and JWK verifies what the private key signs.
func TestParseKeys(t *testing.T) {
	for _, alg := range allAlgorithms() {
		s := newSigner(t, "", alg)
		texts := map[string]string{"JWK": s.jwk(), "JWK set": jwks(s.jwk()), "JWK with alg": s.jwk("alg", `"`+alg+`"`)}
		if s.key != nil {
			texts["PEM"] = s.pem(t)
			texts["PEM with text around"] = "Our key:\r\n" + strings.ReplaceAll(s.pem(t), "\n", "\r\n") + "\n\n# end\n"
			texts["certificate"] = certificate(t, s)
			texts["JWK set with blanks"] = "\n\t" + jwks(s.jwk()) + " \r\n"
		}
		if k, ok := s.key.(*rsa.PrivateKey); ok {
			texts["PKCS #1"] = string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&k.PublicKey)}))
		}
		for name, text := range texts {
			keys, err := ParseKeys([]byte(text))
			if err != nil || len(keys) != 1 {
				t.Errorf("%s, %s: %d keys, %v", alg, name, len(keys), err)
				continue
			}
			v := verifierFor(t, Config{Keys: keys})
			if _, err := v.Verify(t.Context(), s.sign(t, goodClaims)); err != nil {
				t.Errorf("%s, %s: %v", alg, name, err)
			}
			if name == "JWK with alg" && s.secret == nil && (len(keys[0].Algorithms) != 1 || keys[0].Algorithms[0] != alg) {
				t.Errorf("%s: the key is for %q", alg, keys[0].Algorithms)
			}
		}
	}
	a, b := newSigner(t, "", "ES256"), newSigner(t, "", "RS256")
	keys, err := ParseKeys([]byte(a.pem(t) + b.pem(t)))
	if err != nil || len(keys) != 2 {
		t.Errorf("two blocks: %d keys, %v", len(keys), err)
	}
}

func certificate(t *testing.T, s *signer) string {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "issuer"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1, 0), // dates are not checked
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, s.key.Public(), s.key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// The examples of RFC 7517 (appendix A.1) and RFC 8037 (appendix A.2).
func TestKeysOfTheRFCs(t *testing.T) {
	keys, err := ParseKeys([]byte(`{"keys":[
		{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"1"},
		{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"},
		{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"ed"}]}`))
	if err != nil || len(keys) != 2 || keys[0].ID != "2011-04-29" || keys[1].ID != "ed" {
		t.Errorf("got %+v, %v", keys, err)
	}
}

func TestBadKeys(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	weak := &signer{alg: "RS256", key: small}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x25519, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	xDER, err := x509.MarshalPKIXPublicKey(x25519.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	ec, rs, ed := newSigner(t, "", "ES256"), newSigner(t, "", "RS256"), newSigner(t, "", "EdDSA")
	private, err := x509.MarshalPKCS8PrivateKey(ec.key)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	number := func(bits int, last byte) string {
		b := bytes.Repeat([]byte{0xff}, bits/8)
		b[len(b)-1] = last
		return `"` + base64.RawURLEncoding.EncodeToString(b) + `"`
	}
	for name, test := range map[string]struct{ text, reason string }{
		"empty":               {"", "it is empty"},
		"blanks":              {" \n", "it is empty"},
		"text":                {"hello", "expected PEM"},
		"a cut block":         {ec.pem(t)[:80], "PEM block 1 is malformed or incomplete"},
		"a cut second block":  {ec.pem(t) + rs.pem(t)[:100], "PEM block 2 is malformed or incomplete"},
		"a bad first block":   {strings.Replace(ec.pem(t), "M", "?", 1) + rs.pem(t), "PEM block 1 is malformed"},
		"a bad second block":  {ec.pem(t) + strings.Replace(rs.pem(t), "M", "?", 1) + ec.pem(t), "PEM block 2 is malformed"},
		"garbage in a block":  {block("PUBLIC KEY", []byte("x")), "parse the key"},
		"another type":        {block("PUBLIC KEY 2", []byte("x")), "is not a public key"},
		"a private key":       {block("PRIVATE KEY", private), "it is a private key"},
		"RSA of 1024 bits":    {weak.pem(t), "an RSA key of 1024 bits is too short"},
		"P-224":               {(&signer{key: p224}).pem(t), "must be on P-256, P-384 or P-521"},
		"X25519":              {block("PUBLIC KEY", xDER), "not a supported public key"},
		"no JSON":             {`{"keys":[`, "not a JSON object"},
		"keys twice":          {`{"keys":[],"keys":[` + ec.jwk() + `]}`, "twice"},
		"no keys":             {`{"keys":[]}`, "none of its 0 keys"},
		"keys is an object":   {`{"keys":{}}`, `"keys" is not a list`},
		"keys is null":        {`{"keys":null}`, `"keys" is not a list`},
		"a list":              {`[` + ec.jwk() + `]`, "expected PEM"},
		"another object":      {`{"Keys":[` + ec.jwk() + `]}`, "kty is not"},
		"a key that is text":  {`{"keys":["x"]}`, "key 1: it is not a JSON object"},
		"too many":            {jwks(strings.Repeat(ec.jwk()+",", DefaultMaxKeys) + ec.jwk()), "more than 100"},
		"kty twice":           {`{"kty":"RSA",` + ec.jwk()[1:], "twice"},
		"KTY":                 {`{"KTY":"EC",` + strings.Replace(ec.jwk()[1:], `"kty"`, `"Kty"`, 1), "kty is not"},
		"kid is a number":     {ec.jwk("kid", "1"), "kid is not a string"},
		"for encryption":      {ec.jwk("use", `"enc"`), "use is not sig"},
		"use is a list":       {ec.jwk("use", `["sig"]`), "use is not sig"},
		"for signing only":    {ec.jwk("key_ops", `["sign"]`), "key_ops"},
		"key_ops is a text":   {ec.jwk("key_ops", `"verify"`), "key_ops"},
		"a private JWK":       {ec.jwk("d", `"AA"`), "it is a private key"},
		"alg is a list":       {ec.jwk("alg", `["ES256"]`), "alg is not a string"},
		"alg none":            {ec.jwk("alg", `"none"`), "is not supported"},
		"alg of another kind": {rs.jwk("alg", `"HS256"`), "an RSA key cannot be used with HS256"},
		"alg of another curve": {
			ec.jwk("alg", `"ES384"`), "a P-256 key cannot be used with ES384",
		},
		"no n":              {rs.jwk("n", `null`), "n is missing"},
		"n is empty":        {rs.jwk("n", `""`), "n is missing"},
		"n is padded":       {rs.jwk("n", `"AAA="`), "n is not base64url"},
		"n of 512 bits":     {rs.jwk("n", number(512, 0xff)), "an RSA key of 512 bits is too short"},
		"n of 2040 bits":    {rs.jwk("n", number(2040, 0xff)), "an RSA key of 2040 bits is too short"},
		"n of 2048 zeros":   {rs.jwk("n", `"`+strings.Repeat("A", 400)+`"`), "an RSA key of 0 bits is too short"},
		"n of 16384 bits":   {rs.jwk("n", number(16384, 0xff)), "its modulus has 2048 bytes"},
		"n is even":         {rs.jwk("n", number(2048, 0xfe)), "positive odd number"},
		"e is missing":      {rs.jwk("e", "null"), "e is missing"},
		"e is 0":            {rs.jwk("e", `"AA"`), "exponent"},
		"e is 1":            {rs.jwk("e", `"AQ"`), "exponent"},
		"e is 2":            {rs.jwk("e", `"Ag"`), "exponent"},
		"e is even":         {rs.jwk("e", `"AQAA"`), "exponent"},
		"e is 2^31+1":       {rs.jwk("e", `"gAAAAQ"`), "exponent"},
		"e is 2^64+3":       {rs.jwk("e", `"AQAAAAAAAAAD"`), "exponent has 9 bytes"},
		"e is huge":         {rs.jwk("e", number(16384, 1)), "exponent has 2048 bytes"},
		"no crv":            {ec.jwk("crv", "null"), "crv is not"},
		"another crv":       {ec.jwk("crv", `"secp256k1"`), "crv is not"},
		"crv of another":    {ec.jwk("crv", `"P-384"`), "bytes instead of 48"},
		"x is short":        {ec.jwk("x", `"AAAA"`), "x has 3 bytes instead of 32"},
		"not on the curve":  {ec.jwk("x", number(256, 1)), "not a point on its curve"},
		"at infinity":       {ec.jwk("x", `"`+strings.Repeat("A", 43)+`"`, "y", `"`+strings.Repeat("A", 43)+`"`), "not a point on its curve"},
		"X25519 as JWK":     {ed.jwk("crv", `"X25519"`), "crv is not Ed25519"},
		"Ed25519, short":    {ed.jwk("x", `"AAAA"`), "an Ed25519 key of 3 bytes"},
		"a short secret":    {`{"kty":"oct","k":"c2VjcmV0"}`, "a secret of 6 bytes is too short"},
		"a secret for 512":  {`{"kty":"oct","alg":"HS512","k":"` + strings.Repeat("A", 43) + `"}`, "HS512 needs at least 64"},
		"a secret for ES":   {`{"kty":"oct","alg":"ES256","k":"` + strings.Repeat("A", 43) + `"}`, "a secret cannot be used with ES256"},
		"all keys unusable": {jwks(ec.jwk("use", `"enc"`), rs.jwk("e", `"AQ"`)), "none of its 2 keys can be used: key 1"},
	} {
		keys, err := ParseKeys([]byte(test.text))
		if err == nil || !strings.Contains(err.Error(), test.reason) || keys != nil {
			t.Errorf("%s: %d keys, %v, want %q", name, len(keys), err, test.reason)
		}
		if err != nil && len(err.Error()) > 400 {
			t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
		}
	}
}

// A key of a set that cannot be used does not harm the others. Leading zeros in numbers are
// accepted, because some issuers write them.
func TestSomeGoodKeys(t *testing.T) {
	ec, rs := newSigner(t, "", "ES256"), newSigner(t, "", "RS256")
	keys, skipped, err := parseKeys([]byte(jwks(rs.jwk("e", `"AQ"`), `{"kty":"AKP"}`, ec.jwk(), rs.jwk("e", `"AAAAAAEAAQ"`))), 4)
	if err != nil || len(keys) != 2 || len(skipped) != 2 {
		t.Errorf("got %d keys, %q, %v", len(keys), skipped, err)
	}
}

func TestBadConfigKeys(t *testing.T) {
	ec := newSigner(t, "", "ES256").key.Public()
	secret := []byte(testKey)
	for name, test := range map[string]struct {
		key    Key
		reason string
	}{
		"empty":               {Key{ID: "x"}, "needs a Secret or a Public key"},
		"both":                {Key{Secret: secret, Public: ec}, "cannot have both"},
		"an unknown alg":      {Key{Secret: secret, Algorithms: []string{"none"}}, `"none" is not supported; use HS256,`},
		"HS512 and 32 bytes":  {Key{Secret: secret, Algorithms: []string{"HS256", "HS512"}}, "HS512 needs at least 64"},
		"a public key, HS256": {Key{Public: ec, Algorithms: []string{"ES256", "HS256"}}, "cannot be used with HS256"},
		"a private key":       {Key{Public: newSigner(t, "", "ES256").key}, "not a supported public key"},
		"not a key":           {Key{Public: "x"}, "a string is not a supported public key"},
		"nil":                 {Key{Public: (*rsa.PublicKey)(nil)}, "without a modulus"},
		"nil on a curve":      {Key{Public: (*ecdsa.PublicKey)(nil)}, "without a curve"},
	} {
		for _, c := range []Config{{Keys: []Key{test.key}}, {Secret: secret, Keys: []Key{{Secret: secret}, test.key}}} {
			if _, err := New(c); err == nil || !strings.Contains(err.Error(), test.reason) {
				t.Errorf("%s: %v, want %q", name, err, test.reason)
			}
		}
	}
}

func FuzzParseKeys(f *testing.F) {
	for _, alg := range []string{"HS256", "RS256", "ES256", "EdDSA"} {
		s := newSigner(f, "k", alg)
		f.Add([]byte(jwks(s.jwk())))
		if s.key != nil {
			f.Add([]byte(s.pem(f)))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, skipped, err := parseKeys(text, 4)
		if (err == nil) != (len(keys) > 0) || len(keys)+len(skipped) > 4 {
			t.Errorf("%d keys, %d skipped, %v", len(keys), len(skipped), err)
		}
		for _, k := range keys {
			bound, err := k.bind(0)
			if err != nil {
				t.Fatalf("%q has a key that cannot be used: %v", text, err)
			}
			// A key verifies no garbage, and a public key is for no HMAC algorithm.
			if k.Public != nil && bound.algorithms&algorithmsOf(kindSecret) != 0 {
				t.Errorf("%q is a public key for HMAC", text)
			}
			for i := range algorithms {
				if a := &algorithms[i]; bound.algorithms&a.set() != 0 && a.method.Verify("x", make([]byte, 64), bound.material) == nil {
					t.Errorf("%q verifies zeros with %s", text, a.name)
				}
			}
		}
	})
}
