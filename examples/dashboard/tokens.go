package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/auth/jwtauth"
)

// Account is a claim of tokens with the permissions of the user. It is the metadata of
// clients.
type Account struct {
	Symbols []string `json:"symbols"` // symbols that the user may see; * for all
	Trader  bool     `json:"trader"`  // whether the user may place orders
}

// MaySee reports whether the user may see the prices of a symbol.
func (a Account) MaySee(symbol string) bool {
	return slices.Contains(a.Symbols, symbol) || slices.Contains(a.Symbols, "*")
}

// Tokens issues and verifies the tokens of users.
type Tokens struct {
	secret   []byte
	verifier *jwtauth.Verifier
}

// NewTokens returns Tokens that are signed with a secret of at least 32 bytes.
func NewTokens(secret []byte) (*Tokens, error) {
	verifier, err := jwtauth.New(jwtauth.Config{Secret: secret})
	return &Tokens{secret: secret, verifier: verifier}, err
}

// Issue returns a token for a user that is valid for the given time.
func (t *Tokens) Issue(user string, a Account, life time.Duration) (string, error) {
	return jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": user, "exp": time.Now().Add(life).Unix(), "account": a,
	}).SignedString(t.secret)
}

// Authenticate accepts clients with a valid token. Their sessions end when it expires.
func (t *Tokens) Authenticate(ctx context.Context, cred ignis.Credentials) (ignis.Identity, error) {
	claims, err := t.verifier.Verify(ctx, cred.Token)
	if err != nil {
		return ignis.Identity{}, err
	}
	var a Account
	if err := json.Unmarshal(claims.Field("account"), &a); err != nil {
		return ignis.Identity{}, fmt.Errorf("%w: the token has no account", ignis.ErrUnauthenticated)
	}
	return ignis.Identity{UserID: claims.Subject, Metadata: a, Expires: claims.Expires}, nil
}

// ServeHTTP issues a token to anyone who gives a name, so that the example is easy to try.
// A real application would check a password.
func (t *Tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user := r.FormValue("user")
	if user == "" {
		http.Error(w, "a user name is required: user=NAME", http.StatusBadRequest)
		return
	}
	token, err := t.Issue(user, Account{Symbols: []string{"*"}, Trader: user != "guest"}, 5*time.Minute)
	if err != nil {
		http.Error(w, "the token could not be created", http.StatusInternalServerError)
		return
	}
	_, _ = fmt.Fprint(w, token)
}
