// Package app makes the library a program: it connects a server with its bus, its
// authentication and a listener, serves the WebSocket endpoint and the probes, and shuts
// down gracefully. Command ignis adds flags and commands.
//
// What an [Error] says is meant for the person who runs the program. It calls each setting
// by the name of its flag.
package app
