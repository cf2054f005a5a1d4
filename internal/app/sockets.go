package app

import (
	"net"
	"slices"

	"github.com/ignis-go/ignis/internal/listen"
	"github.com/ignis-go/ignis/internal/systemd"
)

// takeSockets replaces the addresses that stand for sockets of systemd by these sockets.
func (c *Config) takeSockets() error {
	if c.Sockets == nil {
		return nil
	}
	left := slices.Clone(c.Sockets)
	clients, api := slices.Clone(c.Listen.Addresses), slices.Clone(c.API.Listen)
	// Sockets with a name go first, so that an address without a name gets the others.
	for _, named := range []bool{true, false} {
		var err error
		if clients, left, err = replace(clients, left, named, "--listen"); err != nil {
			return err
		}
		if api, left, err = replace(api, left, named, "--api-listen"); err != nil {
			return err
		}
	}
	for _, s := range left {
		return usage("name it in --listen or --api-listen, or remove it from the unit of this service",
			"systemd has passed the socket %s (%s), which no setting uses", s.Name, s.Listener.Addr())
	}
	c.Listen.Addresses, c.API.Listen = clients, api
	return nil
}

// replace replaces those addresses of systemd in list that have a name, or those that have none.
// It also returns the sockets that are left.
func replace(list []listen.Address, sockets []systemd.Socket, named bool, flag string) (replaced []listen.Address, left []systemd.Socket, err error) {
	for _, a := range list {
		if a.Network != listen.Systemd || (a.Name != "") != named {
			replaced = append(replaced, a)
			continue
		}
		left = nil
		for _, s := range sockets {
			if named && s.Name != a.Name {
				left = append(left, s)
				continue
			}
			replaced = append(replaced, passed(a, s.Listener))
		}
		if len(left) == len(sockets) {
			return nil, nil, usage("start the program as a service that has a socket unit, or listen on host:port; docs/deploys.md has an example",
				"%s %s: systemd has passed no such socket", flag, a)
		}
		sockets = left
	}
	return replaced, sockets, nil
}

// passed returns the address of a socket that systemd listens on, with the settings of a.
func passed(a listen.Address, l net.Listener) listen.Address {
	a.Network, a.Name, a.Listener = l.Addr().Network(), l.Addr().String(), l
	if a.Network == listen.Unix {
		a.TLS = false // the peers are on this machine
	}
	return a
}
