package wire

// Names of the system events; [SystemEvents] says who may send each, and when.
const (
	EventAuthenticate = "authenticate" // the credentials
	EventConnected    = "connected"    // authentication succeeded
	EventDisconnect   = "disconnect"   // reserved
	EventJoin         = "join"         // {rooms: string[]}
	EventLeave        = "leave"        // {rooms: string[]}
	EventError        = "error"        // {message: string}, in protocol 2 with a code
	EventHeartbeat    = "heartbeat"    // shows that the client lives
	EventEncrypted    = "encrypted"    // a sealed message
	EventAck          = "ack"          // a message with an id is done
	EventRefresh      = "refresh"      // new credentials for a session that expires
	EventExpiring     = "expiring"     // the session ends soon
)

// Direction says which side sends an event.
type Direction string

// The directions.
const (
	FromClient Direction = "client"
	FromServer Direction = "server"
	FromBoth   Direction = "both"
)

// SystemEvent describes an event of the protocol itself.
type SystemEvent struct {
	Name string    `json:"name"`
	From Direction `json:"from"`
	// Protocol is the version that the event belongs to. In an older one the name is
	// the application's.
	Protocol int `json:"protocol"`
	// Plain reports whether a client may send the event unencrypted where encryption
	// is required.
	Plain bool `json:"plain,omitempty"`
	// Stranger reports whether a client may send the event before it is
	// authenticated.
	Stranger bool `json:"stranger,omitempty"`
}

// systemEvents is the only place that says which events are the protocol's.
var systemEvents = []SystemEvent{
	{Name: EventAuthenticate, From: FromClient, Protocol: 1, Plain: true, Stranger: true},
	{Name: EventConnected, From: FromServer, Protocol: 1},
	{Name: EventDisconnect, From: FromServer, Protocol: 1},
	{Name: EventJoin, From: FromClient, Protocol: 1, Plain: true},
	{Name: EventLeave, From: FromClient, Protocol: 1, Plain: true},
	{Name: EventError, From: FromServer, Protocol: 1},
	{Name: EventHeartbeat, From: FromClient, Protocol: 1, Plain: true, Stranger: true},
	{Name: EventEncrypted, From: FromBoth, Protocol: 1, Plain: true},
	{Name: EventAck, From: FromServer, Protocol: 2},
	{Name: EventRefresh, From: FromClient, Protocol: 2, Plain: true},
	{Name: EventExpiring, From: FromServer, Protocol: 2},
}

// SystemEvents returns all events of the protocol itself.
func SystemEvents() []SystemEvent { return append([]SystemEvent(nil), systemEvents...) }

// LookupEvent returns the system event of that name in the version of the protocol,
// if there is one. Every other name is the application's.
func LookupEvent(name string, protocol int) (e SystemEvent, ok bool) {
	e, ok = eventsByName[name]
	return e, ok && e.Protocol <= protocol
}

var eventsByName = func() map[string]SystemEvent {
	m := make(map[string]SystemEvent, len(systemEvents))
	for _, e := range systemEvents {
		m[e.Name] = e
	}
	return m
}()
