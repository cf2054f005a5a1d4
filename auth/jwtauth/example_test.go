package jwtauth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
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

// An identity provider signs tokens with private keys and publishes the public ones.
func Example_jwks() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		log.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"keys":[{"kty":"EC","crv":"P-256","kid":"2026","x":%q,"y":%q}]}`, encode(point[1:33]), encode(point[33:]))
	}))
	defer provider.Close()

	tokens, err := jwtauth.New(jwtauth.Config{
		JWKS:      []jwtauth.JWKS{{URL: provider.URL}}, // https, except on this machine
		Issuers:   []string{"https://login.example/"},
		Audiences: []string{"chat"},
		Logger:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := tokens.Reload(ctx); err != nil {
		log.Print(err) // Run tries again
	}
	var running sync.WaitGroup
	running.Go(func() { _ = tokens.Run(ctx) })
	defer running.Wait()
	defer cancel()

	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": "https://login.example/", "aud": "chat", "sub": 42, "exp": time.Now().Add(time.Hour).Unix(), "info": "Ann",
	})
	token.Header["kid"] = "2026"
	text, err := token.SignedString(key)
	if err != nil {
		log.Fatal(err)
	}
	claims, err := tokens.Verify(ctx, text)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(claims.Subject, string(claims.Info))
	// Output:
	// 42 "Ann"
}

// To rotate a secret, accept both until all tokens that were signed with the old one have
// expired.
func ExampleVerifier_SetKeys() {
	old, next := secret, []byte("another 32 bytes from the same place, next year")
	tokens, err := jwtauth.New(jwtauth.Config{Secret: old})
	if err != nil {
		log.Fatal(err)
	}
	token := login(jwt.MapClaims{"sub": "ann"}) // signed with the old secret
	check := func() {
		_, err := tokens.Verify(context.Background(), token)
		fmt.Println(err)
	}
	check()
	if err := tokens.SetKeys([]jwtauth.Key{{Secret: next}, {Secret: old}}); err != nil {
		log.Fatal(err)
	}
	check()
	if err := tokens.SetKeys([]jwtauth.Key{{Secret: next}}); err != nil {
		log.Fatal(err)
	}
	check()
	// Output:
	// <nil>
	// <nil>
	// the token's signature is wrong
}

// A public key in PEM can be restricted to an algorithm.
func ExampleParseKeys() {
	keys, err := jwtauth.ParseKeys([]byte(`-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----`))
	if err != nil {
		log.Fatal(err)
	}
	keys[0].ID, keys[0].Algorithms = "2026", []string{"EdDSA"}
	_, err = jwtauth.New(jwtauth.Config{Keys: keys})
	fmt.Println(len(keys), err)

	_, err = jwtauth.ParseKeys([]byte("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----"))
	fmt.Println(err)
	// Output:
	// 1 <nil>
	// jwtauth: read keys: PEM block 1: it is a private key, but only the public half is needed to verify tokens: openssl pkey -in FILE -pubout prints it
}

// A file with keys is read again when it changes, as long as Run runs. On SIGHUP, a program
// can have it read immediately.
func ExampleVerifier_Reload() {
	file := filepath.Join(os.TempDir(), fmt.Sprintf("ignis-example-%d", os.Getpid()))
	defer os.Remove(file)
	if err := os.WriteFile(file, secret, 0o600); err != nil {
		log.Fatal(err)
	}
	tokens, err := jwtauth.New(jwtauth.Config{
		KeyFiles: []jwtauth.KeyFile{{Name: file, Secret: true}},
		Logger:   slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Fatal(err)
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	hangup <- syscall.SIGHUP // what the system does

	<-hangup
	fmt.Println(tokens.Reload(context.Background()))
	fmt.Println(tokens.Status()[0].Keys)
	// Output:
	// <nil>
	// 1
}

// Callbacks of a server get the claims as the metadata of a client.
func ExampleClaims_Field() {
	tokens, err := jwtauth.New(jwtauth.Config{Secret: secret})
	if err != nil {
		log.Fatal(err)
	}
	token := login(jwt.MapClaims{"sub": 42, "info": jwt.MapClaims{"name": "Ann"}, "teams": []string{"red", "blue"}})
	id, err := tokens.Authenticate(context.Background(), ignis.Credentials{Token: token})
	if err != nil {
		log.Fatal(err)
	}
	client := &ignis.Client{UserID: id.UserID, Metadata: id.Metadata}

	claims, err := ignis.MetadataOf[*jwtauth.Claims](client)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(claims.Subject)
	fmt.Println(string(claims.Info))
	fmt.Println(string(claims.Field("teams")))
	fmt.Println(claims.Field("Teams") == nil)
	// Output:
	// 42
	// {"name":"Ann"}
	// ["red","blue"]
	// true
}
