package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/ignis-go/ignis"
)

func rawExample(text string) any { return json.RawMessage(text) }

// coverage says how much of the cluster an answer is about.
type coverage struct {
	View    string `json:"view" doc:"The view that was asked for."`
	Partial bool   `json:"partial" doc:"Whether the answer lacks a part of what was asked for."`
	Note    string `json:"note,omitempty" doc:"What is missing."`
}

func (h *Handler) coverage(view string) coverage {
	c := coverage{View: view}
	if view == "cluster" && h.cfg.Server.HasBus() {
		c.Partial, c.Note = true, "Only this instance is included. It does not ask the other instances."
	}
	return c
}

type clientInfo struct {
	ID           string     `json:"id"`
	User         string     `json:"user,omitempty" doc:"The ID of the user. It is absent for anonymous and unauthenticated clients."`
	State        string     `json:"state" enum:"unauthorized,authenticating,authenticated,disconnected"`
	Protocol     int        `json:"protocol"`
	RemoteAddr   string     `json:"remoteAddr,omitempty"`
	ConnectedAt  time.Time  `json:"connectedAt"`
	LastActivity time.Time  `json:"lastActivity" doc:"The time of the client's last message."`
	Expires      *time.Time `json:"expires,omitempty" doc:"The end of the session, if it ends."`
	Encrypted    bool       `json:"encrypted"`
	SlowReader   bool       `json:"slowReader" doc:"Whether messages are waiting because the client reads too slowly."`
	Rooms        []string   `json:"rooms,omitempty" nullable:"false" doc:"The rooms of the client, except the one named by its own ID. Only for a single client."`
	RoomCount    int        `json:"roomCount"`
}

func newClientInfo(c ignis.ClientInfo) clientInfo {
	info := clientInfo{
		ID: c.ID, User: c.UserID, State: c.State.String(), Protocol: c.Protocol, RemoteAddr: c.RemoteAddr,
		ConnectedAt: c.ConnectedAt.UTC(), LastActivity: c.LastActivity.UTC(), Encrypted: c.Encrypted, SlowReader: c.SlowReader,
		RoomCount: max(len(c.Rooms)-1, 0),
	}
	if !c.Expires.IsZero() {
		expires := c.Expires.UTC()
		info.Expires = &expires
	}
	return info
}

type clientsAnswer struct {
	Body struct {
		Clients  []clientInfo `json:"clients" nullable:"false"`
		Total    int          `json:"total" doc:"The number of clients on all pages."`
		Next     string       `json:"next,omitempty" doc:"The value of after for the next page. It is absent on the last page."`
		Coverage coverage     `json:"coverage"`
	}
}

type namedCount struct {
	Name    string `json:"name"`
	Clients int    `json:"clients" doc:"The number of its clients."`
}

type usersAnswer struct {
	Body struct {
		Users    []namedCount `json:"users" nullable:"false"`
		Total    int          `json:"total" doc:"The number of users on all pages."`
		Next     string       `json:"next,omitempty" doc:"The value of after for the next page. It is absent on the last page."`
		Coverage coverage     `json:"coverage"`
	}
}

type roomsAnswer struct {
	Body struct {
		Rooms    []namedCount `json:"rooms" nullable:"false"`
		Total    *int         `json:"total,omitempty" doc:"The number of rooms on all pages. It is absent if the key is restricted to some rooms."`
		Next     string       `json:"next,omitempty" doc:"The value of after for the next page. It is absent on the last page."`
		Coverage coverage     `json:"coverage"`
	}
}

type countsAnswer struct {
	Body struct {
		Clients       int      `json:"clients" doc:"Connected clients."`
		Authenticated int      `json:"authenticated" doc:"Authenticated clients."`
		Users         int      `json:"users" doc:"Users with at least one client."`
		Rooms         int      `json:"rooms" doc:"Rooms with at least one member."`
		Coverage      coverage `json:"coverage"`
	}
}

type clientsInput struct {
	View  string `query:"view" enum:"instance,cluster" default:"instance" doc:"What the answer is about: this instance, or the cluster as far as this instance knows it."`
	After string `query:"after" doc:"Return entries after this one. Use next of the previous page."`
	Limit int    `query:"limit" minimum:"1" default:"100" doc:"The maximum number of entries. The server may return fewer."`
	User  string `query:"user" doc:"Only the clients of this user."`
	Room  string `query:"room" doc:"Only the clients in this room."`
}

type namesInput struct {
	View  string `query:"view" enum:"instance,cluster" default:"instance" doc:"What the answer is about: this instance, or the cluster as far as this instance knows it."`
	After string `query:"after" doc:"Return entries after this one. Use next of the previous page."`
	Limit int    `query:"limit" minimum:"1" default:"100" doc:"The maximum number of entries. The server may return fewer."`
}

type countInput struct {
	View string `query:"view" enum:"instance,cluster" default:"instance" doc:"What the answer is about: this instance, or the cluster as far as this instance knows it."`
}

type clientInput struct {
	ID string `path:"id"`
}

type clientAnswer struct{ Body clientInfo }

// lists adds the operations that read.
func (d *docs) lists() {
	read(d, described{id: "list-clients", path: "/v1/clients", summary: "List clients", text: "Lists clients in the order of their IDs."}, (*Handler).listClients)
	read(d, described{id: "get-client", path: "/v1/clients/{id}", summary: "Get a client", text: "Describes a client of this instance.", problems: []kind{problemNotFound}}, (*Handler).getClient)
	read(d, described{id: "list-users", path: "/v1/users", summary: "List users", text: "Lists the users that have clients, in the order of their IDs."}, (*Handler).listUsers)
	read(d, described{id: "list-rooms", path: "/v1/rooms", summary: "List rooms", text: "Lists the rooms that have members, in the order of their names, except those named by the IDs of clients."}, (*Handler).listRooms)
	read(d, described{id: "count", path: "/v1/counts", summary: "Count clients, users and rooms"}, (*Handler).count)
	read(d, described{id: "get-state", path: "/v1/state", summary: "Get the state of the server and the bus"}, (*Handler).state)
}

// read adds an operation that reads.
func read[I, O any](d *docs, o described, serve func(*Handler, *call, *I) (*O, *problem)) {
	o.method, o.scope = http.MethodGet, ScopeRead
	huma.Register(d.api, d.operation(o), func(ctx context.Context, in *I) (*O, error) {
		c := callOf(ctx)
		c.w.Header().Set("Cache-Control", "no-store")
		out, p := serve(d.h, c, in)
		if p != nil {
			return nil, p
		}
		return out, nil
	})
}

func (h *Handler) listClients(c *call, in *clientsInput) (*clientsAnswer, *problem) {
	if c.key.restricted() && (in.Room == "" || !c.key.allowsRoom(in.Room)) {
		return nil, c.restricted("list clients of other rooms")
	}
	limit := min(in.Limit, h.cfg.MaxPage)
	list, total := h.cfg.Server.ListClients(ignis.ClientQuery{UserID: in.User, Room: in.Room, After: in.After, Limit: limit + 1})
	out := new(clientsAnswer)
	if len(list) > limit {
		list = list[:limit]
		out.Body.Next = list[limit-1].ID
	}
	out.Body.Clients, out.Body.Total, out.Body.Coverage = make([]clientInfo, len(list)), total, h.coverage(in.View)
	for i, info := range list {
		out.Body.Clients[i] = newClientInfo(info)
	}
	return out, nil
}

func (h *Handler) getClient(c *call, in *clientInput) (*clientAnswer, *problem) {
	if c.key.restricted() {
		return nil, c.restricted("describe a single client")
	}
	found, ok := h.cfg.Server.Client(in.ID)
	if !ok {
		return nil, problemNotFound.problem("No such client is connected to this instance. Other instances were not asked.")
	}
	info := newClientInfo(found)
	if len(found.Rooms) > 1 {
		info.Rooms = found.Rooms[1:]
	}
	return &clientAnswer{info}, nil
}

func (h *Handler) listUsers(c *call, in *namesInput) (*usersAnswer, *problem) {
	if c.key.restricted() {
		return nil, c.restricted("list users")
	}
	out := new(usersAnswer)
	limit := min(in.Limit, h.cfg.MaxPage)
	out.Body.Users, out.Body.Next = names(h.cfg.Server.ListUsers(ignis.NameQuery{After: in.After, Limit: limit + 1}), limit)
	out.Body.Total, out.Body.Coverage = h.cfg.Server.Stats().Users, h.coverage(in.View)
	return out, nil
}

func (h *Handler) listRooms(c *call, in *namesInput) (*roomsAnswer, *problem) {
	q := ignis.NameQuery{After: in.After}
	out := new(roomsAnswer)
	if c.key.restricted() {
		q.Keep = c.key.allowsRoom
	} else {
		total := h.cfg.Server.Stats().Rooms
		out.Body.Total = &total
	}
	limit := min(in.Limit, h.cfg.MaxPage)
	q.Limit = limit + 1
	out.Body.Rooms, out.Body.Next = names(h.cfg.Server.ListRooms(q), limit)
	out.Body.Coverage = h.coverage(in.View)
	return out, nil
}

// names returns a page, and the last name unless it is the last page.
func names(list []ignis.NamedCount, limit int) (page []namedCount, next string) {
	if len(list) > limit {
		list = list[:limit]
		next = list[limit-1].Name
	}
	page = make([]namedCount, len(list))
	for i, n := range list {
		page[i] = namedCount{n.Name, n.Clients}
	}
	return page, next
}

func (h *Handler) count(_ *call, in *countInput) (*countsAnswer, *problem) {
	s := h.cfg.Server.Stats()
	out := new(countsAnswer)
	b := &out.Body
	b.Clients, b.Authenticated, b.Users, b.Rooms, b.Coverage = s.Clients, s.Authenticated, s.Users, s.Rooms, h.coverage(in.View)
	return out, nil
}

type stateAnswer struct {
	Body struct {
		Server serverState `json:"server"`
		Bus    busState    `json:"bus"`
	}
}

type serverState struct {
	ID            string `json:"id" doc:"The ID of this instance. It changes when the instance starts."`
	Software      string `json:"software,omitempty"`
	Ready         bool   `json:"ready" doc:"Whether it should be sent new clients."`
	Draining      bool   `json:"draining,omitempty" doc:"Whether it is draining: it closes its clients gradually and then stops."`
	Clients       int    `json:"clients"`
	Authenticated int    `json:"authenticated"`
	Users         int    `json:"users"`
	Rooms         int    `json:"rooms"`
	Revocations   int    `json:"revocations" doc:"The number of revocations that it remembers."`
}

type busState struct {
	Configured bool    `json:"configured" doc:"Whether there can be other instances."`
	Healthy    bool    `json:"healthy" doc:"Whether messages are exchanged with other instances."`
	Error      string  `json:"error,omitempty" doc:"Why they are not, or may not be. It is absent if the key is restricted to some rooms."`
	Published  uint64  `json:"published" doc:"Messages handed to the bus."`
	Refused    uint64  `json:"refused" doc:"Messages that the bus did not accept."`
	Lost       uint64  `json:"lost" doc:"Messages that the bus accepted but could not send."`
	Received   uint64  `json:"received" doc:"Messages from the bus, including those of this instance."`
	Gaps       uint64  `json:"gaps" doc:"Periods in which messages of other instances may have been missed."`
	GapSeconds float64 `json:"gapSeconds" doc:"Their total duration."`
}

func (h *Handler) state(c *call, _ *struct{}) (*stateAnswer, *problem) {
	s, health := h.cfg.Server.Stats(), h.cfg.Server.Health()
	out := new(stateAnswer)
	out.Body.Server = serverState{
		ID: h.cfg.Server.ID(), Software: h.cfg.Software, Ready: health.Ready, Draining: health.Draining, Clients: s.Clients, Authenticated: s.Authenticated,
		Users: s.Users, Rooms: s.Rooms, Revocations: s.Revoked,
	}
	out.Body.Bus = busState{
		Configured: h.cfg.Server.HasBus(), Healthy: h.cfg.Server.HasBus() && health.Bus == nil,
		Published: s.BusPublished, Refused: s.BusRefused, Lost: s.BusLost, Received: s.BusReceived,
		Gaps: s.BusGaps, GapSeconds: s.BusGapTime.Seconds(),
	}
	if health.Bus != nil && !c.key.restricted() {
		out.Body.Bus.Error = health.Bus.Error()
	}
	return out, nil
}
