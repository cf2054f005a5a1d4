package systemd

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Notifier reports the state of the service to systemd. Its methods may be called concurrently,
// and do nothing if systemd does not listen, or on nil. An error means that systemd could not be
// reached.
type Notifier struct {
	address *net.UnixAddr

	mu       sync.Mutex // held while sending, so that states arrive in order
	ready    bool       // Ready has been sent
	stopping bool       // Stopping has been sent
	status   string     // what was sent last
}

// sendTimeout limits how long systemd, which is busy at times, can delay the caller.
const sendTimeout = time.Second

// newNotifier returns a notifier for the socket at path. A path that begins with @ is in the
// abstract namespace. An empty path means that systemd does not listen.
func newNotifier(path string) (*Notifier, error) {
	switch {
	case path == "":
		return nil, nil
	case path[0] != '/' && path[0] != '@':
		return nil, fmt.Errorf("%s: expected the path of a Unix socket, but got %q", notifyVariable, path)
	}
	return &Notifier{address: &net.UnixAddr{Net: "unixgram", Name: path}}, nil
}

// Ready reports that the service has started, or that a reload has completed. It reports nothing
// after Stopping.
func (n *Notifier) Ready() error {
	return n.update(func() (string, func()) {
		if n.stopping {
			return "", nil
		}
		return "READY=1", func() { n.ready = true }
	})
}

// Reloading reports that the service reads its configuration again. Ready must follow if it has
// been reported. It is not reported before the first Ready, which systemd would take for the end
// of the start.
func (n *Notifier) Reloading() (reported bool, err error) {
	err = n.update(func() (string, func()) {
		if !n.ready || n.stopping {
			return "", nil
		}
		now := strconv.FormatInt(monotonic().Microseconds(), 10)
		return "RELOADING=1\nMONOTONIC_USEC=" + now, func() { reported = true }
	})
	return reported, err
}

// Stopping reports that the service shuts down, unless that has been reported.
func (n *Notifier) Stopping() error {
	return n.update(func() (string, func()) {
		if n.stopping {
			return "", nil
		}
		return "STOPPING=1", func() { n.stopping = true }
	})
}

// Alive reports that the service works, to its watchdog.
func (n *Notifier) Alive() error {
	return n.update(func() (string, func()) { return "WATCHDOG=1", nil })
}

// Status sets the text that systemctl status shows, unless it is the same as before.
func (n *Notifier) Status(text string) error {
	return n.update(func() (string, func()) {
		if text == n.status {
			return "", nil
		}
		return "STATUS=" + strings.ReplaceAll(text, "\n", " "), func() { n.status = text }
	})
}

// update sends the message that next returns, unless it is empty, and then calls the function that
// next returns. Both are called with the lock held.
func (n *Notifier) update(next func() (message string, sent func())) error {
	if n == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	message, sent := next()
	if message == "" {
		return nil
	}
	err := n.send(message)
	if err == nil && sent != nil {
		sent()
	}
	return err
}

func (n *Notifier) send(message string) error {
	conn, err := net.DialUnix("unixgram", nil, n.address)
	if err == nil {
		_ = conn.SetWriteDeadline(time.Now().Add(sendTimeout)) // without it, the write only waits longer
		_, err = conn.Write([]byte(message))
		_ = conn.Close() // the message has been delivered, or not
	}
	if err != nil {
		return fmt.Errorf("notifying systemd: %w", err)
	}
	return nil
}
