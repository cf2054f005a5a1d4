package emitter_test

import (
	"context"
	"fmt"
	"log"

	"github.com/ignis-go/ignis/wire"

	"github.com/alicebob/miniredis/v2"

	"github.com/ignis-go/ignis/emitter"
)

func Example() {
	redis, err := miniredis.Run() // in place of a real Redis
	if err != nil {
		log.Fatal(err)
	}
	defer redis.Close()
	heard := redis.NewSubscriber() // in place of a server
	defer heard.Close()
	heard.Psubscribe("ws:user:*")

	ctx := context.Background()
	e, err := emitter.Dial(ctx, "redis://"+redis.Addr())
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	sent := make(chan error)
	go func() { sent <- e.Send(ctx, wire.ToUser("42"), "report:ready", map[string]int{"pages": 3}) }()
	m := <-heard.Pmessages()
	fmt.Println(m.Channel, m.Message)
	if err := <-sent; err != nil {
		log.Fatal(err)
	}
	// Output: ws:user:42 {"serverId":"emitter","type":"user","target":"42","event":"report:ready","data":{"pages":3}}
}
