package jwtauth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/ignis-go/ignis/internal/strictjson"
)

// MinSecret is the minimum length in bytes of a secret for HS256 (RFC 7518, section 3.2).
// HS384 needs 48 bytes and HS512 needs 64.
const MinSecret = 32

// The sizes of RSA keys that are accepted. Smaller keys can be factored, and verifying a
// signature with a larger one takes too long.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// Key is a key that signatures are verified with, and the algorithms that it may be used
// with. Exactly one of Secret and Public is set.
type Key struct {
	// ID is the key ID. A token whose header has another key ID (kid) is not verified
	// with the key. Empty: the key is tried for every token of its algorithms.
	ID string
	// Algorithms are the names of the algorithms that the key may be used with, such as
	// RS256. They must suit the key. Empty: HS256 for a secret, and for a public key all
	// algorithms that suit it.
	Algorithms []string
	// Secret is an HMAC secret of at least [MinSecret] bytes. All bytes count, so remove
	// the trailing newline of a secret that was read from a file. A public key, a
	// certificate or a JWK is refused as a secret.
	Secret []byte
	// Public is an *rsa.PublicKey of 2048 to 8192 bits, an *ecdsa.PublicKey on P-256,
	// P-384 or P-521, or an ed25519.PublicKey.
	Public crypto.PublicKey
}

// key is a valid Key.
type key struct {
	id         string
	algorithms algorithmSet
	material   any // []byte, or one of the types of Key.Public
}

// bind returns the key for the algorithms in allowed only; 0 allows all. It copies the
// secret.
func (k Key) bind(allowed algorithmSet) (*key, error) {
	kind, err := k.kind()
	if err != nil {
		return nil, err
	}
	set, err := algorithmsNamed(k.Algorithms)
	if err != nil {
		return nil, err
	}
	switch {
	case set != 0:
	case kind == kindSecret && allowed == 0:
		set = algorithms[0].set() // HS256 only, because HS384 and HS512 need longer secrets
	default:
		set = algorithmsOf(kind)
	}
	if allowed != 0 {
		if set&allowed == 0 {
			return nil, fmt.Errorf("%s cannot be used with %s only", kind, algorithmNames(allowed))
		}
		set &= allowed
	}
	for i := range algorithms {
		a := &algorithms[i]
		switch {
		case set&(1<<i) == 0:
		case a.kind != kind:
			return nil, fmt.Errorf("%s cannot be used with %s", kind, a.name)
		case kind == kindSecret && len(k.Secret) < a.minSecret:
			return nil, fmt.Errorf("a secret of %d bytes is too short: %s needs at least %d", len(k.Secret), a.name, a.minSecret)
		}
	}
	out := &key{id: k.ID, algorithms: set, material: k.Public}
	if kind == kindSecret {
		out.material = bytes.Clone(k.Secret)
	}
	return out, nil
}

// kind checks the key itself and returns its kind.
func (k Key) kind() (kind, error) {
	if k.Public == nil {
		switch {
		case len(k.Secret) == 0:
			return 0, errors.New("a key needs a Secret or a Public key")
		case notSecret(k.Secret):
			return 0, errors.New("a public key, certificate or JWK is not an HMAC secret, and must not be used as one")
		}
		return kindSecret, nil
	}
	if k.Secret != nil {
		return 0, errors.New("a key cannot have both a Secret and a Public key")
	}
	switch public := k.Public.(type) {
	case *rsa.PublicKey:
		return kindRSA, checkRSA(public)
	case *ecdsa.PublicKey:
		return curveOf(public)
	case ed25519.PublicKey:
		switch {
		case len(public) != ed25519.PublicKeySize:
			return 0, fmt.Errorf("an Ed25519 key of %d bytes is invalid", len(public))
		case lowOrder(public):
			return 0, errors.New("an Ed25519 key of low order is invalid: anyone can forge its signatures")
		}
		return kindEd25519, nil
	}
	return 0, fmt.Errorf("a %T is not a supported public key: use RSA, P-256, P-384, P-521 or Ed25519", k.Public)
}

// notSecret reports whether text is a public key, certificate or JWK. With a published key as
// the HMAC secret, anyone could sign tokens. Base64 without the lines of PEM is the form in
// which some identity providers display their key.
func notSecret(text []byte) bool {
	if bytes.Contains(text, pemBegin) || publicDER(text) {
		return true
	}
	compact := bytes.TrimRight(bytes.Join(bytes.Fields(text), nil), "=")
	if der, err := base64.RawStdEncoding.DecodeString(string(compact)); err == nil && publicDER(der) {
		return true
	}
	f, err := strictjson.Parse(text)
	return err == nil && (f.Raw("kty") != nil || f.Raw("keys") != nil)
}

// publicDER reports whether der is a public key or a certificate.
func publicDER(der []byte) bool {
	_, pkix := x509.ParsePKIXPublicKey(der)
	_, pkcs1 := x509.ParsePKCS1PublicKey(der)
	_, cert := x509.ParseCertificate(der)
	return pkix == nil || pkcs1 == nil || cert == nil
}

// lowOrderPoints are the y coordinates of the points of Edwards25519 whose order divides 8, in
// hexadecimal and little-endian, with those that are not reduced. Crypto/ed25519 accepts them
// as public keys. The first is also what an empty value becomes.
var lowOrderPoints = [...]string{
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
}

// lowOrder reports whether a public key is one of lowOrderPoints.
func lowOrder(public ed25519.PublicKey) bool {
	y := bytes.Clone(public)
	y[len(y)-1] &= 0x7f // the sign of x
	return slices.Contains(lowOrderPoints[:], hex.EncodeToString(y))
}

// checkRSA refuses keys that are too weak, too expensive, or not RSA keys.
func checkRSA(k *rsa.PublicKey) error {
	if k == nil || k.N == nil {
		return errors.New("an RSA key without a modulus is invalid")
	}
	switch bits := k.N.BitLen(); {
	case bits < minRSABits:
		return fmt.Errorf("an RSA key of %d bits is too short: use %d to %d", bits, minRSABits, maxRSABits)
	case bits > maxRSABits:
		return fmt.Errorf("an RSA key of %d bits is too long: use %d to %d", bits, minRSABits, maxRSABits)
	case k.N.Sign() < 0 || k.N.Bit(0) == 0:
		return errors.New("an RSA key whose modulus is not a positive odd number is invalid")
	case k.E < 3 || k.E%2 == 0 || k.E > math.MaxInt32:
		return errors.New("an RSA key whose exponent is not an odd number from 3 to 2147483647 is invalid")
	}
	return nil
}

// curveOf returns the kind of an ECDSA key. It refuses points that are not on their curve.
func curveOf(k *ecdsa.PublicKey) (kind, error) {
	if k == nil || k.Curve == nil {
		return 0, errors.New("an ECDSA key without a curve is invalid")
	}
	var found kind
	switch k.Curve {
	case elliptic.P256():
		found = kindP256
	case elliptic.P384():
		found = kindP384
	case elliptic.P521():
		found = kindP521
	default:
		return 0, errors.New("an ECDSA key must be on P-256, P-384 or P-521")
	}
	if _, err := k.ECDH(); err != nil {
		return 0, errors.New("an ECDSA key that is not a point on its curve is invalid")
	}
	return found, nil
}

// equal reports whether two keys are the same and for the same tokens.
func (k *key) equal(other *key) bool {
	if k.id != other.id || k.algorithms != other.algorithms {
		return false
	}
	if secret, ok := k.material.([]byte); ok {
		otherSecret, ok := other.material.([]byte)
		return ok && bytes.Equal(secret, otherSecret)
	}
	public, ok := k.material.(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(other.material)
}
