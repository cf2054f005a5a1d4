package ignis

import "errors"

var (
	// ErrUnauthenticated is what Authenticate returns, also wrapped, to reject a
	// client: it is told "Authentication failed". Any other error counts as a
	// failure of the application: the client is told "Authentication error" and
	// the error is logged. Both close with code 4003. What it is wrapped in is
	// logged, so it must not hold the credentials.
	ErrUnauthenticated = errors.New("unauthenticated")

	// ErrNotRunning is returned by a server's methods before Run has made it
	// ready and after it has shut down, and by those of a nil *Server.
	ErrNotRunning = errors.New("ignis: the server is not running: call Run and wait for Ready")

	// ErrNoClient is returned where an authenticated client of this instance is
	// needed and none has the id.
	ErrNoClient = errors.New("no authenticated client with that id is here")
)

// BusError says that a message went to the clients of this instance, but not to
// those of the others.
type BusError struct{ Err error }

func (e *BusError) Error() string { return "ignis: not sent to other instances: " + e.Err.Error() }

// Unwrap returns the bus's own error.
func (e *BusError) Unwrap() error { return e.Err }
