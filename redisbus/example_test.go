package redisbus_test

import (
	"context"
	"fmt"
	"log"

	"github.com/alicebob/miniredis/v2"

	"github.com/ignis-go/ignis/redisbus"
)

func Example() {
	redis, err := miniredis.Run() // in place of a real Redis
	if err != nil {
		log.Fatal(err)
	}
	defer redis.Close()

	bus, err := redisbus.New(redisbus.Config{URL: "redis://" + redis.Addr()})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	err = bus.Run(ctx,
		func() {
			_ = bus.Publish("ws:room:lobby", []byte(`{"serverId":"1","type":"room","target":"lobby","event":"hi"}`))
		},
		func(envelopes ...[]byte) {
			for _, e := range envelopes {
				fmt.Println(string(e))
			}
			cancel()
		})
	fmt.Println(err)
	// Output:
	// {"serverId":"1","type":"room","target":"lobby","event":"hi"}
	// <nil>
}
