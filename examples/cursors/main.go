// Command cursors is a board with notes on which people see each other's cursors. To try it, open
// http://127.0.0.1:3000 in two windows.
package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ignis-go/ignis/examples/ignisjs"
	"github.com/ignis-go/ignis/wire"
)

//go:embed page
var files embed.FS

func main() {
	listen := flag.String("listen", "127.0.0.1:3000", "address to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, listen string) error {
	b, err := NewBoard()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	hs := &http.Server{Handler: b.routes(), ReadHeaderTimeout: 5 * time.Second}
	ctx, cancel := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() {
		served <- hs.Serve(l)
		cancel() // without an HTTP server, no client can connect
	}()
	log.Printf("the board is on http://%s", l.Addr())
	err = b.server.Run(ctx) // until ctx is done and all clients have been closed
	err = errors.Join(err, hs.Close())
	if e := <-served; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}

func (b *Board) routes() http.Handler {
	page, err := fs.Sub(files, "page")
	if err != nil {
		panic(err) // the name is valid
	}
	mux := http.NewServeMux()
	mux.Handle(wire.DefaultPath, b.server)
	mux.HandleFunc("/ignis.js", ignisjs.Serve)
	mux.Handle("/", http.FileServerFS(page))
	return mux
}
