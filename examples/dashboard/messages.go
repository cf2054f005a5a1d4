package main

import "strings"

// Quote is what a symbol costs at the moment, in cents. It is the data of the events
// "snapshot", which a client gets when it joins the room of the symbol, and "quote".
type Quote struct {
	Symbol string `json:"symbol"`
	Bid    int64  `json:"bid"`
	Ask    int64  `json:"ask"`
	// Number grows with every quote of the symbol. What was sent while a snapshot was
	// made follows it, so clients ignore quotes that are not newer than what they have.
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

// Fill is the answer to an order. All sessions of the user get it as the event "filled",
// too.
type Fill struct {
	Order
	ID    uint64 `json:"id"`
	Price int64  `json:"price"`
}

// roomPrefix starts the names of the rooms of symbols.
const roomPrefix = "symbol:"

// room returns the room of a symbol.
func room(symbol string) string { return roomPrefix + symbol }

// symbolOf returns the symbol of a room.
func symbolOf(room string) (symbol string, ok bool) { return strings.CutPrefix(room, roomPrefix) }
