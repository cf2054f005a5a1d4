//go:build !unix

package app

import (
	"net"

	"github.com/ignis-go/ignis/internal/loglimit"
)

// DescriptorLimit returns 0: the limit is not known on this system.
func DescriptorLimit() uint64 { return 0 }

func maxClients() int { return 0 }

func newRoomyListener(l net.Listener, _ *loglimit.Limiter) net.Listener { return l }
