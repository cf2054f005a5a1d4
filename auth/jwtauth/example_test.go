package jwtauth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/auth/jwtauth"
)

var secret = []byte("at least 32 bytes from a file or the environment")

// login stands in for the service that issues tokens.
func login(claims jwt.MapClaims) string {
	claims["exp"] = time.Now().Add(time.Hour).Unix()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(secret)
	if err != nil {
		log.Fatal(err)
	}
	return token
}

// The verifier's methods are a server's callbacks.
func Example() {
	tokens, err := jwtauth.New(jwtauth.Config{Secret: secret})
	if err != nil {
		log.Fatal(err)
	}
	cfg := ignis.Config{
		Authenticate:  tokens.Authenticate,
		ValidateRooms: tokens.ValidateRooms,
	}
	if _, err := ignis.New(cfg); err != nil {
		log.Fatal(err)
	}

	// What the server does for a client:
	token := login(jwt.MapClaims{"sub": "ann", "rooms": []string{"news", "team:*"}})
	id, err := cfg.Authenticate(context.Background(), ignis.Credentials{Token: token})
	fmt.Println(id.UserID, err)

	client := &ignis.Client{UserID: id.UserID, Metadata: id.Metadata}
	rooms, err := cfg.ValidateRooms(context.Background(), client, []string{"news", "team:red", "admin"})
	fmt.Println(rooms, err)

	_, err = cfg.Authenticate(context.Background(), ignis.Credentials{Token: "forged"})
	fmt.Println(err)
	// Output:
	// ann <nil>
	// [news team:red] <nil>
	// unauthenticated: the token does not have three parts
}

// An application with its own claims calls Verify.
func ExampleVerifier_Verify() {
	tokens, err := jwtauth.New(jwtauth.Config{Secret: secret})
	if err != nil {
		log.Fatal(err)
	}
	type session struct {
		Role  string
		Rooms jwtauth.Rooms
	}
	authenticate := func(ctx context.Context, cred ignis.Credentials) (ignis.Identity, error) {
		claims, err := tokens.Verify(ctx, cred.Token)
		if err != nil {
			return ignis.Identity{}, err // refuses the client
		}
		s := session{Rooms: claims.Rooms}
		if err := json.Unmarshal(claims.Field("role"), &s.Role); err != nil {
			return ignis.Identity{}, fmt.Errorf("%w: no role: %w", ignis.ErrUnauthenticated, err)
		}
		return ignis.Identity{UserID: claims.Subject, Metadata: s, Expires: claims.Expires}, nil
	}

	token := login(jwt.MapClaims{"sub": "ann", "role": "trader", "rooms": []string{"AAPL"}})
	id, err := authenticate(context.Background(), ignis.Credentials{Token: token})
	fmt.Printf("%+v %v\n", id.Metadata, err)
	// Output:
	// {Role:trader Rooms:[AAPL]} <nil>
}
