package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// The variables that systemd sets.
const (
	notifyVariable      = "NOTIFY_SOCKET"
	watchdogVariable    = "WATCHDOG_USEC"
	watchdogPIDVariable = "WATCHDOG_PID"
	listenPIDVariable   = "LISTEN_PID"
	listenCountVariable = "LISTEN_FDS"
	listenNamesVariable = "LISTEN_FDNAMES"
	listenPIDFDVariable = "LISTEN_PIDFDID"
)

const (
	firstDescriptor = 3
	maxDescriptors  = 1024 // more than a unit passes; a larger number is a mistake
	unnamed         = "unknown"
)

// Service is what systemd has told the program.
type Service struct {
	// Notifier reports the state of the service.
	Notifier *Notifier
	// Watchdog is the time in which systemd expects a call of [Notifier.Alive]. 0: it expects none.
	Watchdog time.Duration
	// Sockets are the sockets that systemd listens on, in the order of the unit.
	Sockets []Socket
}

// Socket is a socket that systemd listens on.
type Socket struct {
	// Name is FileDescriptorName= of the socket unit, or by default the unit's name, such as
	// ignis.socket.
	Name     string
	Listener net.Listener
}

// Take returns what the environment of the process says, and removes it from the environment, so
// that child processes do not mistake it for theirs. Call it once, before anything opens or
// inherits files. If an error occurs, it closes the sockets.
func Take() (s *Service, err error) {
	env := make(map[string]string)
	for _, name := range []string{
		notifyVariable, watchdogVariable, watchdogPIDVariable,
		listenPIDVariable, listenCountVariable, listenNamesVariable, listenPIDFDVariable,
	} {
		env[name] = os.Getenv(name)
		_ = os.Unsetenv(name) // fails only for invalid names
	}
	s = &Service{}
	if s.Notifier, err = newNotifier(env[notifyVariable]); err != nil {
		return nil, err
	}
	if isOurs(env[watchdogPIDVariable]) || env[watchdogPIDVariable] == "" {
		if s.Watchdog, err = watchdog(env[watchdogVariable]); err != nil {
			return nil, err
		}
	}
	if isOurs(env[listenPIDVariable]) {
		s.Sockets, err = sockets(env[listenCountVariable], env[listenNamesVariable])
	}
	return s, err
}

// isOurs reports whether text is the ID of this process. Variables can be left over from a parent
// that was meant.
func isOurs(text string) bool { return text == strconv.Itoa(os.Getpid()) }

func watchdog(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 48) // up to 8 years
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("%s: expected a number of microseconds, but got %q", watchdogVariable, text)
	}
	return time.Duration(n) * time.Microsecond, nil
}

// sockets returns the sockets that were passed to the process. names are their names, separated
// by colons.
func sockets(count, names string) (list []Socket, err error) {
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > maxDescriptors {
		return nil, fmt.Errorf("%s: expected the number of sockets, but got %q", listenCountVariable, count)
	}
	byIndex := strings.Split(names, ":")
	for i := range n {
		name := unnamed
		if i < len(byIndex) && byIndex[i] != "" {
			name = byIndex[i]
		}
		// FileListener duplicates the descriptor, and children do not inherit the duplicate.
		f := os.NewFile(uintptr(firstDescriptor+i), name)
		l, listenErr := net.FileListener(f)
		_ = f.Close() // was only read
		if listenErr != nil {
			err = errors.Join(err, fmt.Errorf("systemd passed the descriptor %s, which is not a socket that accepts connections: %w", name, listenErr))
			continue
		}
		list = append(list, Socket{name, l})
	}
	if err != nil {
		for _, s := range list {
			_ = s.Listener.Close() // the process ends
		}
		return nil, err
	}
	return list, nil
}
