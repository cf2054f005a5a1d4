package ignis

import (
	"cmp"
	"slices"

	"github.com/ignis-go/ignis/internal/registry"
)

// ClientQuery selects clients for [Server.ListClients].
type ClientQuery struct {
	// UserID selects the clients of a user. Empty: those of all users, also anonymous and
	// unauthenticated ones.
	UserID string
	// Room selects the clients in a room. Empty: all.
	Room string
	// After selects the clients whose IDs are greater. To get the next page, set it to the
	// last ID of the previous one.
	After string
	// Limit is the maximum number of clients. 0: 100.
	Limit int
}

// defaultPage is the number of entries of a page unless the caller sets it.
const defaultPage = 100

// ListClients returns a page of the clients of this server, in the order of their IDs, and
// the number of clients on all pages. A client that connects or disconnects while pages are
// read may be on none of them.
func (s *Server) ListClients(q ClientQuery) (page []ClientInfo, total int) {
	if s == nil {
		return nil, 0
	}
	limit := cmp.Or(max(q.Limit, 0), defaultPage)
	if q.UserID == "" && q.Room == "" {
		return infos(s.reg.Page(q.After, limit)), s.reg.Counts().Members
	}
	var list []*session
	if q.UserID != "" {
		list = s.reg.AppendUser(nil, q.UserID)
		if q.Room != "" {
			list = slices.DeleteFunc(list, func(c *session) bool { return !c.member.In(q.Room) })
		}
	} else {
		list = s.reg.AppendRoom(nil, q.Room)
	}
	total = len(list)
	list = slices.DeleteFunc(list, func(c *session) bool { return c.member.ID <= q.After })
	slices.SortFunc(list, func(a, b *session) int { return cmp.Compare(a.member.ID, b.member.ID) })
	return infos(list[:min(len(list), limit)]), total
}

// NameQuery selects users or rooms for [Server.ListUsers] and [Server.ListRooms].
type NameQuery struct {
	// After selects the names that are greater. To get the next page, set it to the last
	// name of the previous one.
	After string
	// Limit is the maximum number of names. 0: 100.
	Limit int
	// Keep selects the names for which it returns true. Nil: all.
	Keep func(name string) bool
}

// NamedCount is the name of a user or a room, and the number of its clients on this server.
type NamedCount struct {
	Name    string
	Clients int
}

// ListUsers returns a page of the users that have clients on this server, in order.
// Stats.Users is the number of users on all pages.
func (s *Server) ListUsers(q NameQuery) []NamedCount {
	if s == nil {
		return nil
	}
	return namedCounts(s.reg.Users(q.After, cmp.Or(max(q.Limit, 0), defaultPage), q.Keep))
}

// ListRooms returns a page of the rooms that have members on this server, in order, except
// those named by client IDs. Stats.Rooms is the number of rooms on all pages.
func (s *Server) ListRooms(q NameQuery) []NamedCount {
	if s == nil {
		return nil
	}
	return namedCounts(s.reg.Rooms(q.After, cmp.Or(max(q.Limit, 0), defaultPage), q.Keep))
}

func namedCounts(sizes []registry.Size) []NamedCount {
	list := make([]NamedCount, len(sizes))
	for i, s := range sizes {
		list[i] = NamedCount{s.Name, s.Members}
	}
	return list
}
