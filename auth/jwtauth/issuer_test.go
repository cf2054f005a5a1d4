package jwtauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// signer is a key of an issuer.
type signer struct {
	id     string // kid; empty: none
	alg    string
	secret []byte
	key    crypto.Signer
}

// newSigner returns a new key for an algorithm. RSA keys take long to generate, so all
// signers with an ID of up to one letter share one.
func newSigner(t testing.TB, id, alg string) *signer {
	t.Helper()
	s := &signer{id: id, alg: alg}
	var err error
	switch a, _ := algorithmNamed(alg); a.kind {
	case kindSecret:
		s.secret = make([]byte, 64)
		_, err = rand.Read(s.secret)
	case kindRSA:
		s.key, err = sharedRSA()
	case kindP256:
		s.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case kindP384:
		s.key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case kindP521:
		s.key, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case kindEd25519:
		_, s.key, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var sharedRSA = sync.OnceValues(func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// with returns the same key for another algorithm.
func (s *signer) with(alg string) *signer {
	other := *s
	other.alg = alg
	return &other
}

func (s *signer) method() jwt.SigningMethod {
	a, _ := algorithmNamed(s.alg)
	return a.method
}

// sign returns a token with exactly these claims. The parameters replace those of the
// header.
func (s *signer) sign(t testing.TB, claims string, parameters ...string) string {
	t.Helper()
	header := map[string]any{"alg": s.alg, "typ": "JWT"}
	if s.id != "" {
		header["kid"] = s.id
	}
	for i := 0; i < len(parameters); i += 2 {
		header[parameters[i]] = parameters[i+1]
	}
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode(text) + "." + encode([]byte(claims))
	var material any = s.key
	if s.secret != nil {
		material = s.secret
	}
	signature, err := s.method().Sign(signed, material)
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + encode(signature)
}

// public returns the Key that verifies what s signs.
func (s *signer) public() Key {
	k := Key{ID: s.id, Secret: s.secret}
	if s.key != nil {
		k.Public = s.key.Public()
	}
	if s.secret != nil {
		k.Algorithms = []string{s.alg}
	}
	return k
}

// jwk returns the public half as a JWK without alg, or with further fields.
func (s *signer) jwk(more ...string) string {
	encode := base64.RawURLEncoding.EncodeToString
	f := map[string]any{"use": "sig"}
	if s.id != "" {
		f["kid"] = s.id
	}
	if s.secret != nil {
		f["kty"], f["k"], f["alg"] = "oct", encode(s.secret), s.alg
	} else {
		switch k := s.key.Public().(type) {
		case *rsa.PublicKey:
			f["kty"], f["n"], f["e"] = "RSA", encode(k.N.Bytes()), encode(big.NewInt(int64(k.E)).Bytes())
		case *ecdsa.PublicKey:
			point, _ := k.Bytes() // a point that was just generated is valid
			size := len(point) / 2
			f["kty"], f["crv"], f["x"], f["y"] = "EC", k.Params().Name, encode(point[1:1+size]), encode(point[1+size:])
		case ed25519.PublicKey:
			f["kty"], f["crv"], f["x"] = "OKP", "Ed25519", encode(k)
		}
	}
	for i := 0; i < len(more); i += 2 {
		f[more[i]] = json.RawMessage(more[i+1])
	}
	text, _ := json.Marshal(f)
	return string(text)
}

// jwks returns a JWK set.
func jwks(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

// pem returns the public key in PEM.
func (s *signer) pem(t testing.TB) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(s.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// allAlgorithms returns the names of all algorithms.
func allAlgorithms() []string { return strings.Split(algorithmNames(^algorithmSet(0)), ", ") }

// goodClaims are valid at testNow.
const goodClaims = `{"sub":"ann","exp":1800000060}`
