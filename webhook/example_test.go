package webhook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/webhook"
)

// The client's methods are a server's callbacks. The endpoint, here in the same program,
// verifies that requests come from the client.
func Example() {
	secret := webhook.NewSecret()
	verifier, err := webhook.NewVerifier(webhook.VerifierConfig{Secrets: []string{secret}})
	if err != nil {
		log.Fatal(err)
	}
	endpoint := httptest.NewServer(verifier.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req struct {
			Type string
			Data struct{ Credentials struct{ Token string } }
		}
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			http.Error(w, "malformed JSON", http.StatusBadRequest)
			return
		}
		switch req.Type {
		case "authenticate":
			if req.Data.Credentials.Token != "token-of-ann" {
				http.Error(w, "unknown token", http.StatusUnauthorized)
				return
			}
			fmt.Fprint(w, `{"user": "ann", "grants": {"teams": ["red"]}}`)
		case "join":
			fmt.Fprint(w, `{"rooms": ["team-red"]}`)
		}
	})))
	defer endpoint.Close()

	hooks, err := webhook.New(webhook.Config{URL: endpoint.URL, Secrets: []string{secret}})
	if err != nil {
		log.Fatal(err)
	}
	cfg := ignis.Config{
		Authenticate:  hooks.Authenticate,
		ValidateRooms: hooks.ValidateRooms,
		OnConnect:     hooks.OnConnect,
		OnDisconnect:  hooks.OnDisconnect,
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error)
	go func() { stopped <- hooks.Run(ctx) }()

	// What the server does for a client:
	id, err := cfg.Authenticate(ctx, ignis.Credentials{Raw: json.RawMessage(`{"token":"token-of-ann"}`)})
	fmt.Println(id.UserID, id.Metadata, err)

	client := &ignis.Client{ID: "c1", UserID: id.UserID, Metadata: id.Metadata}
	cfg.OnConnect(ctx, client)
	rooms, err := cfg.ValidateRooms(ctx, client, []string{"team-red", "team-blue"})
	fmt.Println(rooms, err)

	_, err = cfg.Authenticate(ctx, ignis.Credentials{Raw: json.RawMessage(`{"token":"forged"}`)})
	fmt.Println(err)

	cancel() // Run delivers the remaining events
	fmt.Println(<-stopped, hooks.Stats().Delivered)
	// Output:
	// ann webhook.Metadata(1 grants) <nil>
	// [team-red] <nil>
	// webhook: refused by the endpoint: 401: unknown token
	// <nil> 1
}

// A receiver that does not use Handler verifies the body before it parses it.
func ExampleVerifier_Verify() {
	verifier, err := webhook.NewVerifier(webhook.VerifierConfig{
		// While a secret is being replaced, both are accepted.
		Secrets: []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"},
	})
	if err != nil {
		log.Fatal(err)
	}
	header := make(http.Header)
	header.Set("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
	header.Set("webhook-timestamp", "1614265330") // 2021
	header.Set("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
	err = verifier.Verify(header, []byte(`{"test": 2432232314}`))
	fmt.Println(err)
	// Output: webhook: the timestamp of the request is too old or too new
}
