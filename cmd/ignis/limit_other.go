//go:build !unix

package main

import (
	"net"

	"github.com/ignis-go/ignis/internal/loglimit"
)

// Here no limit of descriptors is known.

func descriptorLimit() uint64 { return 0 }

func maxClients() int { return 0 }

func newRoomyListener(l net.Listener, _ *loglimit.Limiter) net.Listener { return l }
