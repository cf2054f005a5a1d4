//go:build linux

package herd

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// deafRoom is the room of the clients that do not read.
const deafRoom = 9999

// AddDeaf connects n more clients, which stop reading once they are authenticated. It fills their
// connections with messages to a separate room until the server cannot write to them.
func (h *Herd) AddDeaf(ctx context.Context, n int) error {
	const (
		size  = 64 << 10
		limit = 200 // messages, 12 MB in total, which exceeds the socket buffers
	)
	h.waiting = n
	for range n {
		if err := h.dial(&conn{room: deafRoom, deaf: true}); err != nil {
			return err
		}
	}
	if err := h.run(ctx, 10*time.Second, func() bool { return h.waiting == 0 }); err != nil {
		return h.describe(err)
	}
	if err := h.pumpUntil(ctx, time.Now().Add(500*time.Millisecond)); err != nil { // wait until they are in the room
		return err
	}
	before, err := h.queued()
	for still, i := 0, 0; i < limit; i++ {
		if err != nil {
			return err
		}
		h.redis.queue(roomName(deafRoom), `"`+strings.Repeat("x", size)+`"`)
		if err := h.redis.flush(); err != nil {
			return err
		}
		if err := h.pumpUntil(ctx, time.Now().Add(100*time.Millisecond)); err != nil {
			return err
		}
		var now int64
		if now, err = h.queued(); !h.redis.idle() || now-before >= int64(n)*size/4 {
			still = 0
		} else if still++; still == 3 && err == nil { // the server is stuck, and not only slow for a moment
			return nil
		}
		before = now
	}
	return fmt.Errorf("%d messages of %d bytes did not fill the buffers of clients that do not read", limit, size)
}

// queued returns the number of unacknowledged bytes in the send buffers of all sockets of the
// server.
func (h *Herd) queued() (sum int64, err error) {
	file, err := os.Open("/proc/net/tcp")
	if err != nil {
		return 0, err
	}
	defer file.Close()
	port := fmt.Sprintf(":%04X", h.port)
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 || !strings.HasSuffix(fields[1], port) {
			continue
		}
		tx, _, _ := strings.Cut(fields[4], ":")
		n, err := strconv.ParseInt(tx, 16, 64)
		if err != nil {
			return 0, err
		}
		if fields[3] != "0A" { // skip the listening socket, which has a different value there
			sum += n
		}
	}
	return sum, lines.Err()
}
