package app

import "fmt"

// Error is an error with advice for the person who runs the program.
type Error struct {
	Err error
	// Hint says what to do. It may be empty.
	Hint string
	// Usage reports that the configuration is wrong and nothing was done.
	Usage bool
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// usage returns an [*Error] for an invalid configuration.
func usage(hint, format string, args ...any) error {
	return &Error{Err: fmt.Errorf(format, args...), Hint: hint, Usage: true}
}
