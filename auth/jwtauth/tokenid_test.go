package jwtauth

import (
	"testing"
	"time"

	"github.com/ignis-go/ignis"
)

// The identity has what a server needs to revoke the token.
func TestIdentityOfToken(t *testing.T) {
	v, err := New(Config{Secret: []byte(testKey)})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Unix()
	claims := map[string]any{"sub": "ann", "exp": now + 60, "iat": now - 5, "jti": "t1"}
	id, err := v.Authenticate(t.Context(), ignis.Credentials{Token: sign(t, testKey, claims)})
	if err != nil || id.TokenID != "t1" || id.IssuedAt.Unix() != now-5 {
		t.Errorf("got %+v, %v", id, err)
	}
	delete(claims, "iat")
	delete(claims, "jti")
	id, err = v.Authenticate(t.Context(), ignis.Credentials{Token: sign(t, testKey, claims)})
	if err != nil || id.TokenID != "" || !id.IssuedAt.IsZero() {
		t.Errorf("without the claims: %+v, %v", id, err)
	}
}
