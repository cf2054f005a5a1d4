package jwtauth

import (
	"fmt"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// benchClaims are those of an ordinary token.
const benchClaims = `{"iss":"https://issuer.example/","aud":"chat","sub":"5f0f6a1e-3c44-4b0e-8a53-0e6f5f3ad0c1","iat":1799999990,"exp":1800000060,"jti":"0b9a7c56","name":"Ann","rooms":["news","team:red","team:blue:*"]}`

// compared returns a function that verifies a token of s with Verify, and one that does it with
// package golang-jwt, which checks the same signature and the same claims, but accepts
// duplicate names, and names in another case.
func compared(t testing.TB, s *signer) (ours, theirs func() error) {
	t.Helper()
	token := s.sign(t, benchClaims)
	v := verifierFor(t, Config{
		Keys:    []Key{newSigner(t, "1", "ES384").public(), s.public()},
		Issuers: []string{"https://issuer.example/"}, Audiences: []string{"chat"},
	})
	ours = func() error {
		_, err := v.Verify(t.Context(), token)
		return err
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{s.alg}), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		jwt.WithIssuer("https://issuer.example/"), jwt.WithAudience("chat"), jwt.WithTimeFunc(func() time.Time { return testNow }))
	var material any = s.secret
	if s.key != nil {
		material = s.key.Public()
	}
	type claims struct {
		jwt.RegisteredClaims
		Rooms []string `json:"rooms"`
	}
	theirs = func() error {
		_, err := parser.ParseWithClaims(token, &claims{}, func(*jwt.Token) (any, error) { return material, nil })
		return err
	}
	return ours, theirs
}

// Verify may take 5 us more than golang-jwt.
func BenchmarkVerify(b *testing.B) {
	for _, alg := range []string{"HS256", "ES256", "RS256", "EdDSA"} {
		ours, theirs := compared(b, newSigner(b, "2", alg))
		for _, row := range []struct {
			name   string
			verify func() error
		}{{"jwtauth", ours}, {"golang-jwt", theirs}} {
			b.Run(alg+"/"+row.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := row.verify(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// Verify allocates no more than golang-jwt.
func TestAllocations(t *testing.T) {
	for _, alg := range []string{"HS256", "ES256", "RS256", "EdDSA"} {
		ours, theirs := compared(t, newSigner(t, "2", alg))
		for _, verify := range []func() error{ours, theirs} {
			if err := verify(); err != nil {
				t.Fatalf("%s: %v", alg, err)
			}
		}
		a, b := testing.AllocsPerRun(100, func() { _ = ours() }), testing.AllocsPerRun(100, func() { _ = theirs() })
		if a > b {
			t.Errorf("%s: %.0f allocations, and golang-jwt has %.0f", alg, a, b)
		}
	}
}

// Forged tokens are refused for little.
func BenchmarkRefuse(b *testing.B) {
	v := verifierFor(b, Config{Keys: []Key{newSigner(b, "1", "ES256").public()}})
	for name, token := range map[string]string{
		"no token":    "garbage",
		"unknown key": newSigner(b, "2", "ES256").sign(b, benchClaims),
		"forged":      newSigner(b, "1", "ES256").sign(b, benchClaims),
		"another alg": newSigner(b, "1", "HS256").sign(b, benchClaims),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := v.Verify(b.Context(), token); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}

func BenchmarkField(b *testing.B) {
	v := verifierFor(b, Config{Secret: []byte(testKey)})
	c, err := v.Verify(b.Context(), signed(plainHeader, benchClaims))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if c.Field("rooms") == nil {
			b.Fatal(fmt.Sprint(c))
		}
	}
}
