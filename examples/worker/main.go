// Command worker sends events on schedules. The servers that share its Redis deliver them
// to clients. If several workers run, each event is still sent only once.
//
//	ignis serve --dev --redis redis://127.0.0.1:6379
//	ignis listen ws://127.0.0.1:8080/ws --join lobby
//	go run ./worker
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/ignis-go/ignis/cron/rediscron"
	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/redisbus"
)

func main() {
	redis := flag.String("redis", "redis://127.0.0.1:6379", "the servers' Redis")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *redis); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, redis string) error {
	store, err := rediscron.New(rediscron.Config{URL: redis})
	if err != nil {
		return err
	}
	defer store.Close()
	bus, err := redisbus.Dial(ctx, redisbus.Config{URL: redis})
	if err != nil {
		return err
	}
	defer bus.Close()
	to, err := emitter.New(bus, emitter.Config{})
	if err != nil {
		return err
	}
	scheduler, err := newScheduler(store, to)
	if err != nil {
		return err
	}
	log.Print("running")
	return scheduler.Run(ctx)
}
