package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/bench/internal/host"
	"github.com/ignis-go/ignis/wire"
)

// burst sends each line of the request's body as a message to everyone in the
// default room, and answers when all are queued.
func burst(srv *ignis.Server, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 16<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for line := range bytes.Lines(body) {
		data := json.RawMessage(bytes.TrimSpace(line))
		if err := srv.SendToRoom(wire.RoomDefault, host.Event, data); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
}
