package ignis

import (
	"slices"

	"github.com/ignis-go/ignis/wire"
)

// userLimit returns the maximum number of clients of a user, or 0 for no limit.
func (s *Server) userLimit(id *Client) int {
	if id.UserID == "" || address(id.RemoteAddr).IsLoopback() {
		return 0
	}
	return max(s.tuning.Load().MaxClientsPerUser, 0)
}

// userFull reports whether a user may have no further client. The caller must hold
// limits.admitting until the client has been admitted.
func (s *Server) userFull(id *Client, limit int) bool {
	return limit > 0 && s.tuning.Load().UserPolicy == UserRefuseNew && s.reg.UserCount(id.UserID) >= limit
}

// excess returns the oldest clients of the user of c that exceed the limit, but not c. The
// caller must hold limits.admitting. Otherwise, two new clients might close each other.
func (c *session) excess(id *Client, limit int) []*session {
	s := c.server
	if limit == 0 || s.reg.UserCount(id.UserID) <= limit {
		return nil
	}
	list := s.reg.AppendUser(nil, id.UserID)
	excess := len(list) - limit // includes clients that are being closed, which are the oldest
	list = slices.DeleteFunc(list, func(other *session) bool { return other == c })
	slices.SortFunc(list, func(a, b *session) int { return a.who().ConnectedAt.Compare(b.who().ConnectedAt) })
	return list[:max(min(excess, len(list)), 0)]
}

// closeExcess closes the clients that excess has returned.
func (s *Server) closeExcess(list []*session) {
	for _, old := range list {
		s.info("client closed: its user has connected again and has too many connections (Config.MaxClientsPerUser)", "client", old.member.ID, "user", old.who().UserID)
		old.close(wire.CloseTooManyConnections)
	}
}
