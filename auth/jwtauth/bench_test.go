package jwtauth

import (
	"fmt"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// benchClaims are those of an ordinary token.
const benchClaims = `{"iss":"https://issuer.example/","aud":"chat","sub":"5f0f6a1e-3c44-4b0e-8a53-0e6f5f3ad0c1","iat":1799999990,"exp":1800000060,"jti":"0b9a7c56","name":"Ann","rooms":["news","team:red","team:blue:*"]}`

// Verify may take 5 us more than package golang-jwt, which checks the same signature and the
// same claims (but accepts duplicate names, and names in another case).
func BenchmarkVerify(b *testing.B) {
	for _, alg := range []string{"HS256", "ES256", "RS256", "EdDSA"} {
		s := newSigner(b, "2", alg)
		token := s.sign(b, benchClaims)
		b.Run(alg+"/jwtauth", func(b *testing.B) {
			v := verifierFor(b, Config{
				Keys:    []Key{newSigner(b, "1", "ES384").public(), s.public()},
				Issuers: []string{"https://issuer.example/"}, Audiences: []string{"chat"},
			})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(b.Context(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(alg+"/golang-jwt", func(b *testing.B) {
			parser := jwt.NewParser(jwt.WithValidMethods([]string{alg}), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
				jwt.WithIssuer("https://issuer.example/"), jwt.WithAudience("chat"), jwt.WithTimeFunc(func() time.Time { return testNow }))
			var material any = s.secret
			if s.key != nil {
				material = s.key.Public()
			}
			type claims struct {
				jwt.RegisteredClaims
				Rooms []string `json:"rooms"`
			}
			b.ReportAllocs()
			for b.Loop() {
				_, err := parser.ParseWithClaims(token, &claims{}, func(*jwt.Token) (any, error) { return material, nil })
				if err != nil {
					b.Fatal(err)
				}
			}
		})
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
