package jwtauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ignis-go/ignis/internal/longtest"
)

// relabeled returns the token with another header and the same signature.
func relabeled(t testing.TB, token string, header map[string]any) string {
	t.Helper()
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(token, ".")
	return base64.RawURLEncoding.EncodeToString(text) + "." + rest
}

// The signature of a JWS is r and s side by side (RFC 7518, section 3.4). OpenSSL and most
// libraries write DER by default.
func TestDERSignature(t *testing.T) {
	for alg, hash := range map[string]crypto.Hash{"ES256": crypto.SHA256, "ES384": crypto.SHA384, "ES512": crypto.SHA512} {
		s := newSigner(t, "k", alg)
		v := verifierFor(t, Config{Keys: []Key{s.public()}})
		token := s.sign(t, goodClaims)
		dot := strings.LastIndexByte(token, '.')
		h := hash.New()
		h.Write([]byte(token[:dot]))
		digest := h.Sum(nil)
		der, err := s.key.Sign(rand.Reader, digest, hash)
		if err != nil {
			t.Fatal(err)
		}
		if !ecdsa.VerifyASN1(s.key.Public().(*ecdsa.PublicKey), digest, der) {
			t.Fatalf("%s: the signature in DER is wrong, so this test is", alg)
		}
		size := (s.key.Public().(*ecdsa.PublicKey).Params().BitSize + 7) / 8
		for name, signature := range map[string][]byte{"DER": der, "DER, cut": der[:min(2*size, len(der))], "DER, filled": append(der, make([]byte, 2*size)...)[:2*size]} {
			_, err = v.Verify(t.Context(), token[:dot+1]+base64.RawURLEncoding.EncodeToString(signature))
			checkVerdict(t, alg+" in "+name, err, "signature is wrong")
		}
	}
}

// The signature of one algorithm is not valid for another, even if the key may be used with
// both, as an RSA key with RS256 and PS256.
func TestMixedAlgorithms(t *testing.T) {
	for _, made := range allAlgorithms() {
		s := newSigner(t, "k", made)
		k := s.public()
		k.Algorithms = nil
		if s.secret != nil {
			k.Algorithms = []string{"HS256", "HS384", "HS512"}
		}
		v := verifierFor(t, Config{Keys: []Key{k}})
		token := s.sign(t, goodClaims)
		for _, named := range allAlgorithms() {
			same := named == made
			_, err := v.Verify(t.Context(), relabeled(t, token, map[string]any{"alg": named, "kid": "k"}))
			if err == nil {
				t.Errorf("a signature made with %s is accepted as %s", made, named)
			}
			_, err = v.Verify(t.Context(), s.sign(t, goodClaims, "alg", named)) // signs the header, too
			if (err == nil) != same && !(strings.HasPrefix(named, "Ed") && strings.HasPrefix(made, "Ed")) {
				t.Errorf("made with %s, named %s: %v", made, named, err)
			}
		}
	}
}

// A header may contain a key or say where one is. It is neither used nor fetched.
func TestEmbeddedKeys(t *testing.T) {
	good, forger := newSigner(t, "k", "ES256"), newSigner(t, "k", "ES256")
	var fetched atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetched.Add(1)
		_, _ = fmt.Fprint(w, jwks(forger.jwk()))
	}))
	defer srv.Close()
	block, _ := pem.Decode([]byte(certificate(t, forger)))
	chain := []string{base64.StdEncoding.EncodeToString(block.Bytes)}
	for name, parameters := range map[string]map[string]any{
		"jwk": {"jwk": json.RawMessage(forger.jwk())}, "jku": {"jku": srv.URL}, "x5u": {"x5u": srv.URL}, "x5c": {"x5c": chain},
		"all": {"jwk": json.RawMessage(forger.jwk()), "jku": srv.URL, "x5u": srv.URL, "x5c": chain},
	} {
		for _, id := range []any{"k", "", nil, "unknown", srv.URL, "../../../dev/null", "k' OR '1'='1"} {
			header := map[string]any{"alg": "ES256"}
			for parameter, value := range parameters {
				header[parameter] = value
			}
			if id != nil {
				header["kid"] = id
			}
			text, err := json.Marshal(header)
			if err != nil {
				t.Fatal(err)
			}
			for _, config := range []Config{{Keys: []Key{good.public()}}, {JWKS: []JWKS{{URL: srv.URL + "/jwks"}}}} {
				v := verifierFor(t, config)
				signed := base64.RawURLEncoding.EncodeToString(text) + "." + base64.RawURLEncoding.EncodeToString([]byte(goodClaims))
				signature, err := forger.method().Sign(signed, forger.key)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := v.Verify(t.Context(), signed+"."+base64.RawURLEncoding.EncodeToString(signature)); err == nil {
					t.Errorf("%s, kid %v: accepted", name, id)
				}
			}
		}
	}
	if n := fetched.Load(); n > 0 {
		t.Errorf("keys were fetched %d times", n)
	}
}

// A header with crit is refused whatever it lists, and whichever key has signed it.
func TestCritical(t *testing.T) {
	for _, alg := range []string{"HS256", "RS256", "PS256", "ES256", "EdDSA"} {
		s := newSigner(t, "", alg)
		v := verifierFor(t, Config{Keys: []Key{s.public()}})
		for _, name := range []string{"crit", "b64"} {
			_, err := v.Verify(t.Context(), s.sign(t, goodClaims, name, "exp"))
			if name == "crit" {
				checkVerdict(t, alg+" "+name, err, "critical extensions")
			} else {
				checkVerdict(t, alg+" "+name, err, "")
			}
		}
	}
}

// A published key is not accepted as a secret in any of the forms in which it is published.
func TestPublishedKeysAreNotSecrets(t *testing.T) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		s := newSigner(t, "", alg)
		der, err := x509.MarshalPKIXPublicKey(s.key.Public())
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode([]byte(certificate(t, s)))
		bare := base64.StdEncoding.EncodeToString(der)
		for name, text := range map[string]string{
			"PEM": s.pem(t), "text and PEM": "key:\n" + s.pem(t), "JWK": s.jwk(), "JWK set": " " + jwks(s.jwk()),
			"DER": string(der), "base64": bare, "base64 in lines": bare[:40] + "\n" + bare[40:] + "\n", "base64 without padding": strings.TrimRight(bare, "="),
			"certificate": string(block.Bytes), "certificate in base64": base64.StdEncoding.EncodeToString(block.Bytes),
		} {
			for _, c := range []Config{{Secret: []byte(text)}, {Keys: []Key{{Secret: []byte(text)}}}} {
				if _, err := New(c); err == nil || !strings.Contains(err.Error(), "is not an HMAC secret") {
					t.Errorf("%s, %s: %v", alg, name, err)
				}
			}
		}
	}
	for _, text := range []string{"MCowBQYDK2VwAyEA and more text that is no key", strings.Repeat("0", 44), "{\"a\":1} with some bytes more than 32"} {
		if _, err := New(Config{Secret: []byte(text)}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Anyone can sign for a public key of low order, so such keys are refused.
func TestLowOrder(t *testing.T) {
	longtest.Mark(t)
	points := make([][]byte, 0, 2*len(lowOrderPoints))
	for _, text := range lowOrderPoints {
		for _, sign := range []byte{0, 0x80} {
			point, err := hex.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			point[31] |= sign
			points = append(points, point)
		}
	}
	forge := func(public []byte) bool {
		for n := range 256 {
			for _, r := range points {
				if ed25519.Verify(public, []byte{byte(n)}, append(append([]byte(nil), r...), make([]byte, 32)...)) {
					return true
				}
			}
		}
		return false
	}
	for _, public := range points {
		if !forge(public) {
			t.Errorf("%x: no forgery found, so it may be a good key", public)
		}
		_, err := New(Config{Keys: []Key{{Public: ed25519.PublicKey(public)}}})
		if err == nil || !strings.Contains(err.Error(), "low order") {
			t.Errorf("%x: %v", public, err)
		}
		_, err = ParseKeys([]byte(`{"kty":"OKP","crv":"Ed25519","x":"` + base64.RawURLEncoding.EncodeToString(public) + `"}`))
		if err == nil || !strings.Contains(err.Error(), "low order") {
			t.Errorf("%x as a JWK: %v", public, err)
		}
	}
	good := newSigner(t, "", "EdDSA")
	if forge(good.key.Public().(ed25519.PublicKey)) {
		t.Error("a good key can be forged, so this test is wrong")
	}
}

// With (r, n-s), ECDSA has a second valid signature for every token. It is for the same
// claims, so nothing that depends on the text of a token may be used to revoke it.
func TestMalleableSignature(t *testing.T) {
	s := newSigner(t, "k", "ES256")
	v := verifierFor(t, Config{Keys: []Key{s.public()}})
	token := s.sign(t, `{"sub":"ann","jti":"1","exp":1800000060}`)
	dot := strings.LastIndexByte(token, '.')
	signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	if err != nil {
		t.Fatal(err)
	}
	n := s.key.Public().(*ecdsa.PublicKey).Params().N
	new(big.Int).Sub(n, new(big.Int).SetBytes(signature[32:])).FillBytes(signature[32:])
	c, err := v.Verify(t.Context(), token[:dot+1]+base64.RawURLEncoding.EncodeToString(signature))
	if err != nil || c.TokenID != "1" || c.Subject != "ann" {
		t.Errorf("got %+v, %v", c, err)
	}
}

// FuzzForged changes tokens that are signed with several algorithms. Whatever is accepted
// has the claims that were signed. The keys are constant, because each process of the fuzzer
// makes its own.
func FuzzForged(f *testing.F) {
	ec, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), []byte(testKey))
	if err != nil {
		f.Fatal(err)
	}
	var keys []Key
	for _, s := range []*signer{
		{id: "H", alg: "HS256", secret: []byte(testKey)},
		{id: "E", alg: "ES256", key: ec},
		{id: "O", alg: "EdDSA", key: ed25519.NewKeyFromSeed([]byte(testKey))},
	} {
		keys = append(keys, s.public())
		token := s.sign(f, goodClaims)
		f.Add(token)
		f.Add(relabeled(f, token, map[string]any{"alg": "none"}))
		f.Add(relabeled(f, token, map[string]any{"alg": "HS256", "kid": s.id}))
		f.Add(token[:strings.LastIndexByte(token, '.')+1])
	}
	f.Add("..")
	v := verifierFor(f, Config{Keys: keys})
	body := base64.RawURLEncoding.EncodeToString([]byte(goodClaims))
	f.Fuzz(func(t *testing.T, token string) {
		c, err := v.Verify(t.Context(), token)
		if (err == nil) != (c != nil) {
			t.Errorf("%q: %v, %v", token, c, err)
		}
		if err == nil && (strings.Count(token, ".") != 2 || strings.Split(token, ".")[1] != body) {
			t.Errorf("%q is accepted", token)
		}
	})
}
