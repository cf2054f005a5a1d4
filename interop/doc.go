// Package interop contains only tests. They run the server and the emitter of this project
// together with those of @venizia/ignis-helpers, on Bun, with a real Redis, and send the
// same frames to both servers. README.md explains how to run them.
package interop
