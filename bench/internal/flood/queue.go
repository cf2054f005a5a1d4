package flood

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// queued returns the number of bytes in flight to a server on this machine: those in the
// socket buffers at both ends of its IPv4 connections.
func queued(addr string) (sum int64, err error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return 0, err
	}
	file, err := os.Open("/proc/net/tcp")
	if err != nil {
		return 0, err
	}
	defer file.Close()
	port := fmt.Sprintf(":%04X", to.Port())
	const listening = "0A" // the queues of a listening socket have a different meaning
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text()) // number, local, remote, state, queues
		if len(fields) < 5 || fields[3] == listening {
			continue
		}
		tx, rx, _ := strings.Cut(fields[4], ":")
		text := ""
		switch {
		case strings.HasSuffix(fields[1], port):
			text = rx // not read by the server yet
		case strings.HasSuffix(fields[2], port):
			text = tx // not acknowledged by the server's kernel yet
		default:
			continue
		}
		n, err := strconv.ParseInt(text, 16, 64)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}
