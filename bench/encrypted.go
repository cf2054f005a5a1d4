package main

import (
	"context"
	"fmt"

	"github.com/ignis-go/ignis/internal/herd"
)

func encryptedText(z sizes) string {
	return fmt.Sprintf("%s clients, bursts of %d messages with %d bytes of data, up to %d bursts a round",
		thousands(z.Sealed), z.Seals, z.Size, z.Bursts)
}

// runEncrypted measures bursts to encrypted clients.
func runEncrypted(ctx context.Context, t *trial) error {
	return t.with(ctx, serverCore, order{Clients: t.Sealed, Encrypt: true}, func(srv *server, h *herdProcess) error {
		o, err := t.bursts(ctx, srv, h, order{Do: doBurst, Count: t.Seals, Size: t.Size}, t.Bursts)
		t.got["encrypted"] = o
		return err
	})
}

func encryptedMemoryText(z sizes) string {
	return fmt.Sprintf("%s clients, memory after %v", thousands(z.Crowd), z.Settle)
}

// runEncryptedMemory compares the memory of encrypted and unencrypted clients.
func runEncryptedMemory(ctx context.Context, t *trial) error {
	var size, cpu [2]float64
	for i, encrypt := range []bool{false, true} {
		err := t.with(ctx, serverCore, order{Clients: t.Crowd, Encrypt: encrypt}, func(srv *server, _ *herdProcess) error {
			used, err := herd.CPUTime(srv.pid())
			if err != nil {
				return err
			}
			cpu[i] = per(used, int64(t.Crowd)) // includes one or two milliseconds for starting the server
			if err := pause(ctx, t.Settle); err != nil {
				return err
			}
			resident, err := settled(ctx, srv.pid(), t.Settle/4)
			size[i] = resident / float64(t.Crowd)
			return err
		})
		if err != nil {
			return err
		}
	}
	t.got["encrypted-memory"] = outcome{Values: map[string]float64{
		keyGrowth: size[1] - size[0], keyMemory: size[1], keyCPU: cpu[1],
	}}
	return nil
}
