package wire

// Names of the system events; [SystemEvents] describes who may send each event, and when.
const (
	EventAuthenticate = "authenticate" // the credentials
	EventConnected    = "connected"    // authentication succeeded
	EventDisconnect   = "disconnect"   // reserved
	EventJoin         = "join"         // {rooms: string[]}
	EventLeave        = "leave"        // {rooms: string[]}
	EventError        = "error"        // {message: string}; protocol 2 adds a code
	EventHeartbeat    = "heartbeat"    // shows that the client is alive
	EventEncrypted    = "encrypted"    // a sealed message
	EventAck          = "ack"          // a message with an id was handled
	EventRefresh      = "refresh"      // new credentials for a session that expires
	EventExpiring     = "expiring"     // the session ends soon
	EventDraining     = "draining"     // the server will close the connection; see [Draining]
)

// Direction is the side that sends an event.
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
	// Protocol is the protocol version that introduced the event. In older versions, the
	// name belongs to the application.
	Protocol int `json:"protocol"`
	// AllowUnencrypted reports whether a client may send the event unencrypted even if
	// encryption is required.
	AllowUnencrypted bool `json:"allowUnencrypted,omitempty"`
	// AllowUnauthenticated reports whether a client may send the event before it is
	// authenticated.
	AllowUnauthenticated bool `json:"allowUnauthenticated,omitempty"`
}

// systemEvents is the single definition of the protocol's events.
var systemEvents = []SystemEvent{
	{Name: EventAuthenticate, From: FromClient, Protocol: 1, AllowUnencrypted: true, AllowUnauthenticated: true},
	{Name: EventConnected, From: FromServer, Protocol: 1},
	{Name: EventDisconnect, From: FromServer, Protocol: 1},
	{Name: EventJoin, From: FromClient, Protocol: 1, AllowUnencrypted: true},
	{Name: EventLeave, From: FromClient, Protocol: 1, AllowUnencrypted: true},
	{Name: EventError, From: FromServer, Protocol: 1},
	{Name: EventHeartbeat, From: FromClient, Protocol: 1, AllowUnencrypted: true, AllowUnauthenticated: true},
	{Name: EventEncrypted, From: FromBoth, Protocol: 1, AllowUnencrypted: true},
	{Name: EventAck, From: FromServer, Protocol: 2},
	{Name: EventRefresh, From: FromClient, Protocol: 2, AllowUnencrypted: true},
	{Name: EventExpiring, From: FromServer, Protocol: 2},
	{Name: EventDraining, From: FromServer, Protocol: 2},
}

// SystemEvents returns all events of the protocol.
func SystemEvents() []SystemEvent { return append([]SystemEvent(nil), systemEvents...) }

// LookupEvent returns the system event with this name in a version of the protocol. It
// reports false for any other name, which belongs to the application.
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
