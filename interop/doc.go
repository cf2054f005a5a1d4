// Package interop contains only tests. They run this module's server and emitter
// against those of @venizia/ignis-helpers, under Bun, on a real Redis, and send both
// servers the same frames. README.md says how to run them.
package interop
