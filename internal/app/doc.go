// Package app turns the library into a program. It connects a server with its bus, its
// authentication and a listener, serves the WebSocket endpoint and the probes, and shuts
// down gracefully. Command ignis adds flags and commands.
//
// The text of an [Error] is meant for the person who runs the program. It refers to
// settings by the names of their flags.
package app
