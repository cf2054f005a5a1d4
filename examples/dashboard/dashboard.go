package main

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// Dashboard is the application. It publishes the prices of symbols and fills orders.
type Dashboard struct {
	server  *ignis.Server
	log     *slog.Logger
	tokens  *Tokens
	metrics Metrics
	market  Market
	orders  atomic.Uint64 // ID of the last order
}

// NewDashboard returns a dashboard whose clients authenticate with tokens. The bus, if not
// nil, connects it to other instances. The server is not running yet.
func NewDashboard(tokens *Tokens, bus ignis.Bus, log *slog.Logger) (*Dashboard, error) {
	d := &Dashboard{tokens: tokens, log: log}
	server, err := ignis.New(ignis.Config{
		Authenticate:  tokens.Authenticate,
		ValidateRooms: d.mayJoin,
		OnJoin:        d.joined,
		OnMessage:     d.handle,
		Bus:           bus,
		Hooks:         d.metrics.Hooks(),
		Logger:        log,
		// A client that is behind receives only the latest price of each symbol. For all
		// other messages the default applies, because losing the fill of an order is worse
		// than reconnecting.
		RoomSlowPolicy: func(room string) ignis.SlowPolicy {
			if _, ok := symbolOf(room); ok {
				return ignis.SlowLatest
			}
			return ignis.SlowDisconnect
		},
	})
	d.server = server
	return d, err
}

// Publish stores a new quote and sends it to the clients that watch the symbol. It stores
// the quote first. A client that joins before the quote is sent receives it as a message,
// and one that joins later receives it in its snapshot. Publish sends only to the clients
// of this instance, because every instance receives all quotes from the exchange.
func (d *Dashboard) Publish(q Quote) {
	d.market.set(q)
	err := d.server.SendLocal(ignis.ToRoom(room(q.Symbol)), "quote", q, ignis.Key(q.Symbol))
	if err != nil && !errors.Is(err, ignis.ErrNotRunning) {
		d.log.Error("quote not sent", "symbol", q.Symbol, "error", err)
	}
}

// mayJoin returns the rooms whose symbols exist and are visible to the client.
func (d *Dashboard) mayJoin(_ context.Context, c *ignis.Client, rooms []string) ([]string, error) {
	account, err := ignis.MetadataOf[Account](c)
	if err != nil {
		return nil, err
	}
	var allowed []string
	for _, room := range rooms {
		symbol, ok := symbolOf(room)
		if ok && d.visible(symbol, account) {
			allowed = append(allowed, room)
		}
	}
	return allowed, nil
}

// visible reports whether a symbol exists and the account may see it.
func (d *Dashboard) visible(symbol string, a Account) bool {
	_, exists := d.market.Quote(symbol)
	return exists && a.MaySee(symbol)
}

// joined sends a snapshot to a client that has joined the room of a symbol.
func (d *Dashboard) joined(_ context.Context, c *ignis.Client, room string) {
	symbol, _ := symbolOf(room)
	if q, ok := d.market.Quote(symbol); ok {
		if err := d.server.SendLocal(ignis.ToClient(c.ID), "snapshot", q); err != nil {
			d.log.Error("snapshot not sent", "symbol", symbol, "error", err)
		}
	}
}

// handle handles the requests of clients.
func (d *Dashboard) handle(ctx context.Context, c *ignis.Client, m wire.Message) (any, error) {
	switch m.Event {
	case "order":
		var o Order
		if err := m.Decode(&o); err != nil {
			return nil, err
		}
		return d.order(ctx, c, o)
	default:
		return nil, &ignis.Error{Code: wire.CodeUnknownEvent}
	}
}

// order fills an order at the current price.
func (d *Dashboard) order(ctx context.Context, c *ignis.Client, o Order) (any, error) {
	account, err := ignis.MetadataOf[Account](c)
	if err != nil {
		return nil, err
	}
	q, _ := d.market.Quote(o.Symbol)
	fill := Fill{Order: o, Price: q.Ask}
	switch {
	case !account.Trader:
		return nil, &ignis.Error{Code: wire.CodeForbidden, Message: "this account may not trade"}
	case !d.visible(o.Symbol, account):
		return nil, &ignis.Error{Code: wire.CodeNotFound, Message: "there is no such symbol"}
	case o.Quantity < 1:
		return nil, &ignis.Error{Code: wire.CodeInvalid, Message: "the quantity must be at least 1"}
	case o.Side == Sell:
		fill.Price = q.Bid
	case o.Side != Buy:
		return nil, &ignis.Error{Code: wire.CodeInvalid, Message: "the side must be buy or sell"}
	}
	fill.ID = d.orders.Add(1)
	// The user may have sessions on other instances. If the message does not reach them,
	// the order has still been filled, so it must not be refused.
	if err := d.server.Send(ctx, ignis.ToUser(c.UserID), "filled", fill); err != nil {
		d.log.Error("fill not sent to all sessions", "order", fill.ID, "error", err)
	}
	return fill, nil
}
