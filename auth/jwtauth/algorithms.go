package jwtauth

import (
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// kind is the type of a key. Every algorithm works with keys of one kind only, so a public
// key is never used as an HMAC secret, and a key of one curve never with another.
type kind uint8

const (
	kindSecret kind = iota
	kindRSA
	kindP256
	kindP384
	kindP521
	kindEd25519
)

// String returns the name of the kind for errors.
func (k kind) String() string {
	return [...]string{"a secret", "an RSA key", "a P-256 key", "a P-384 key", "a P-521 key", "an Ed25519 key"}[k]
}

// algorithm is a signature algorithm of RFC 7518, RFC 8037 or RFC 9864.
type algorithm struct {
	name      string
	kind      kind
	method    jwt.SigningMethod
	minSecret int // minimum length of a secret in bytes (RFC 7518, section 3.2)
}

// algorithms are the supported algorithms. There is no entry for none.
var algorithms = [...]algorithm{
	{name: "HS256", kind: kindSecret, method: jwt.SigningMethodHS256, minSecret: MinSecret},
	{name: "HS384", kind: kindSecret, method: jwt.SigningMethodHS384, minSecret: 48},
	{name: "HS512", kind: kindSecret, method: jwt.SigningMethodHS512, minSecret: 64},
	{name: "RS256", kind: kindRSA, method: jwt.SigningMethodRS256},
	{name: "RS384", kind: kindRSA, method: jwt.SigningMethodRS384},
	{name: "RS512", kind: kindRSA, method: jwt.SigningMethodRS512},
	{name: "PS256", kind: kindRSA, method: jwt.SigningMethodPS256},
	{name: "PS384", kind: kindRSA, method: jwt.SigningMethodPS384},
	{name: "PS512", kind: kindRSA, method: jwt.SigningMethodPS512},
	{name: "ES256", kind: kindP256, method: jwt.SigningMethodES256},
	{name: "ES384", kind: kindP384, method: jwt.SigningMethodES384},
	{name: "ES512", kind: kindP521, method: jwt.SigningMethodES512},
	{name: "EdDSA", kind: kindEd25519, method: jwt.SigningMethodEdDSA},
	{name: "Ed25519", kind: kindEd25519, method: jwt.SigningMethodEdDSA},
}

// algorithmNamed returns the algorithm with exactly this name.
func algorithmNamed(name string) (*algorithm, bool) {
	for i := range algorithms {
		if algorithms[i].name == name {
			return &algorithms[i], true
		}
	}
	return nil, false
}

// algorithmSet is a set of algorithms: bit i stands for algorithms[i].
type algorithmSet uint16

func (a *algorithm) set() algorithmSet {
	for i := range algorithms {
		if a == &algorithms[i] {
			return 1 << i
		}
	}
	return 0
}

// algorithmsOf returns the algorithms that work with keys of this kind.
func algorithmsOf(k kind) (set algorithmSet) {
	for i := range algorithms {
		if algorithms[i].kind == k {
			set |= 1 << i
		}
	}
	return set
}

// algorithmsNamed returns the set of the algorithms with these names.
func algorithmsNamed(names []string) (set algorithmSet, err error) {
	for _, name := range names {
		a, ok := algorithmNamed(name)
		if !ok {
			return 0, fmt.Errorf("the algorithm %.32q is not supported; use %s", name, algorithmNames(^algorithmSet(0)))
		}
		set |= a.set()
	}
	return set, nil
}

// algorithmNames returns the names in the set as a list for errors.
func algorithmNames(set algorithmSet) string {
	var names []string
	for i := range algorithms {
		if set&(1<<i) != 0 {
			names = append(names, algorithms[i].name)
		}
	}
	return strings.Join(names, ", ")
}
