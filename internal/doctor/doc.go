// Package doctor examines whether a server would work with its settings on this machine:
// the settings themselves, Redis, the limits of the system, the certificate, the sources of
// keys for tokens, the webhook, and the way from a client to the server.
//
// The checks change nothing that outlives them and need no running server, except those of
// the public URL, which connect to one. Findings contain no secrets.
package doctor
