// Package interop holds no code, only tests: they run this module's server and
// emitter against the ones of @venizia/ignis-helpers, under Bun, on one real
// Redis, and send both servers the same frames. README.md says how to run them.
package interop
