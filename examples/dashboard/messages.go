package main

import "strings"

// Quote is the current price of a symbol, in cents. It is the data of the events
// "snapshot", which a client receives when it joins the room of the symbol, and "quote".
type Quote struct {
	Symbol string `json:"symbol"`
	Bid    int64  `json:"bid"`
	Ask    int64  `json:"ask"`
	// Number increases with every quote of the symbol. A quote that arrives after a
	// snapshot may be older than it, so clients ignore quotes that are not newer than the
	// one they have.
	Number uint64 `json:"number"`
}

// Order is the data of the request "order".
type Order struct {
	Symbol   string `json:"symbol"`
	Side     Side   `json:"side"`
	Quantity int64  `json:"quantity"`
}

// Side is buy or sell.
type Side string

// The sides.
const (
	Buy  Side = "buy"
	Sell Side = "sell"
)

// Fill is the answer to an order. All sessions of the user also receive it as the data of
// the event "filled".
type Fill struct {
	Order
	ID    uint64 `json:"id"`
	Price int64  `json:"price"`
}

// roomPrefix is the prefix of the names of rooms for symbols.
const roomPrefix = "symbol:"

// room returns the room of a symbol.
func room(symbol string) string { return roomPrefix + symbol }

// symbolOf returns the symbol of a room.
func symbolOf(room string) (symbol string, ok bool) { return strings.CutPrefix(room, roomPrefix) }
