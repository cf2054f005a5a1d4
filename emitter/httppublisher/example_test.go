package httppublisher_test

import (
	"context"
	"log"
	"os"

	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/emitter/httppublisher"
	"github.com/ignis-go/ignis/wire"
)

// A worker that sends through the HTTP API.
func Example() {
	p, err := httppublisher.New(httppublisher.Config{URL: "https://rt.example.com/api", Key: os.Getenv("IGNIS_API_KEY")})
	if err != nil {
		log.Fatal(err)
	}
	e, err := emitter.New(p, emitter.Config{})
	if err != nil {
		log.Fatal(err)
	}
	if err := e.Send(context.Background(), wire.ToUser("42"), "report:ready", map[string]int{"pages": 3}); err != nil {
		log.Fatal(err)
	}
}
