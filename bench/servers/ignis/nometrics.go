//go:build !metrics

package main

import (
	"context"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/httpapi"
	"github.com/ignis-go/ignis/redisbus"
)

// metrics panics. The server with metrics is built with the tag metrics, so that this one does not
// link what they need.
func metrics() (ignis.Hooks, func(httpapi.RequestInfo), func(context.Context, *ignis.Server, *redisbus.Bus)) {
	panic("the flag -metrics needs a server that is built with the tag metrics")
}
