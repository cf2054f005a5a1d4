package main

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// Dashboard is the application: prices of symbols, and orders.
type Dashboard struct {
	server  *ignis.Server
	log     *slog.Logger
	tokens  *Tokens
	metrics Metrics
	market  Market
	orders  atomic.Uint64 // the number of the last one
}

// NewDashboard returns a dashboard whose clients authenticate themselves with tokens. With
// a bus, it is one of several instances. Its server does not run yet.
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
		// A client that is behind gets the latest price of each symbol. For all other
		// messages the default stays: to lose an order's fill is worse than to connect
		// again.
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

// Publish notes a new price and sends it to those who watch the symbol. The market comes
// first: whoever joins from now on finds this quote there, and all who have joined before
// are sent it. The quote goes to the clients of this instance, since every instance hears
// the exchange.
func (d *Dashboard) Publish(q Quote) {
	d.market.set(q)
	err := d.server.SendLocal(ignis.ToRoom(room(q.Symbol)), "quote", q, ignis.Key(q.Symbol))
	if err != nil && !errors.Is(err, ignis.ErrNotRunning) {
		d.log.Error("quote not sent", "symbol", q.Symbol, "error", err)
	}
}

// mayJoin returns the rooms of symbols that exist and that the client may see.
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

// joined sends the current price to a client that begins to watch a symbol.
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
	// The user may have a phone and a browser, on other instances. That a message does
	// not reach those is no reason to refuse the order, which has been filled.
	if err := d.server.Send(ctx, ignis.ToUser(c.UserID), "filled", fill); err != nil {
		d.log.Error("fill not sent to all sessions", "order", fill.ID, "error", err)
	}
	return fill, nil
}
