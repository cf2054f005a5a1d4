// Package sdktest tests client libraries, in any language, against the rules in
// sdk/SPEC.md. It is what ignis sdktest runs.
//
// [Run] plays each [Case] with a scripted WebSocket server on a loopback address and one
// process of the driver, a program that connects the client library to its standard input
// and output:
//
//	summary, err := sdktest.Run(ctx, sdktest.Config{Command: []string{"node", "driver.mjs"}}, print)
//
// A case is a function that runs from top to bottom: it tells the driver what the
// application wants, does what the server does, and says what it expects. The server can
// do what a real one never would, such as answering twice.
package sdktest
