package emitter_test

import (
	"context"
	"fmt"
	"log"

	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/wire"
)

// printer is a Publisher that prints envelopes. A similar one can replace Redis in tests.
type printer struct{}

func (printer) Publish(_ context.Context, envelopes ...wire.Publication) []error {
	for _, e := range envelopes {
		fmt.Println(e.Channel, string(e.Envelope))
	}
	return nil
}

func Example() {
	e, err := emitter.New(printer{}, emitter.Config{})
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if err := e.Send(ctx, wire.ToUser("42"), "report:ready", map[string]int{"pages": 3}); err != nil {
		log.Fatal(err)
	}
	if err := e.Send(ctx, wire.ToRoom("prices"), "price", 187.5, wire.Key("AAPL")); err != nil {
		log.Fatal(err)
	}
	// Output:
	// ws:user:42 {"serverId":"emitter","type":"user","target":"42","event":"report:ready","data":{"pages":3}}
	// ws:room:prices {"serverId":"emitter","type":"room","target":"prices","event":"price","data":187.5,"key":"AAPL"}
}

// An Emitter that sends through Redis to the servers that use it.
func ExampleNew() {
	ctx := context.Background()
	p, err := redisbus.Dial(ctx, redisbus.Config{URL: "redis://127.0.0.1:6379"})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	e, err := emitter.New(p, emitter.Config{})
	if err != nil {
		log.Fatal(err)
	}
	if err := e.Send(ctx, wire.ToEveryone(), "maintenance", nil); err != nil {
		log.Fatal(err)
	}
}
