package redisbus

import (
	"cmp"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// member is a master of a Cluster that owns slots.
type member struct {
	id, addr string
	first    int64 // its lowest slot
	failed   bool  // the majority of the masters considers it failed
}

// apart is a master with slots that the bus's node does not reach.
type apart struct {
	id, addr string
	state    string
	pong     int64         // when it last answered the node, by the node's clock, in milliseconds
	quiet    time.Duration // time since then, approximately
}

func (a *apart) String() string {
	return "node " + a.addr + " of the Cluster is " + a.state + ": messages of instances connected to it may be missing"
}

func (a apart) same(b apart) bool { return a.id == b.id }

// nodesView is a node's view of its Cluster.
type nodesView struct {
	self               string // the node's ID
	masters, reachable int    // number of masters with slots, and of those that are not considered failed
	apart              []apart
	failed             map[string]bool  // whether the majority considers a node failed, by ID
	pongs              map[string]int64 // when each other master with slots last answered, by ID
	latest             int64            // when any node last answered
}

// readNodes parses the reply to CLUSTER NODES.
func readNodes(text string) nodesView {
	v := nodesView{failed: make(map[string]bool), pongs: make(map[string]int64)}
	for line := range strings.Lines(text) {
		// id address flags master ping pong epoch link slot slot ...
		field := strings.Fields(line)
		if len(field) < 8 {
			continue
		}
		flags := strings.Split(field[2], ",")
		pong, _ := strconv.ParseInt(field[5], 10, 64)
		v.latest = max(v.latest, pong)
		self := slices.Contains(flags, "myself")
		if self {
			v.self = field[0]
		}
		if len(field) < 9 || !slices.Contains(flags, "master") {
			continue
		}
		v.masters++
		state := stateOf(flags, field[7])
		if state == "" || state == disconnected {
			v.reachable++
		}
		if self {
			continue
		}
		v.pongs[field[0]] = pong
		v.failed[field[0]] = slices.Contains(flags, "fail")
		if state != "" {
			v.apart = append(v.apart, apart{id: field[0], addr: shownAddr(field[0], field[1]), state: state, pong: pong})
		}
	}
	return v
}

// since returns the masters that are apart, given the previous list. A master stays in the
// list until it has answered again, because the connection to a master that is cut off may be
// reestablished and lost again.
func (v *nodesView) since(before []apart) []apart {
	list := slices.Clone(v.apart)
	for _, a := range before {
		pong, known := v.pongs[a.id]
		if known && pong <= a.pong && !slices.ContainsFunc(list, a.same) {
			list = append(list, a)
		}
	}
	for i := range list {
		// Use only the node's own clock. The latest answer of any node tells its time.
		if a := &list[i]; a.pong > 0 {
			a.quiet = time.Duration(max(0, v.latest-a.pong)) * time.Millisecond
		}
	}
	return list
}

const disconnected = "disconnected"

// stateOf describes what is wrong with a node, or returns "" if the node is fine.
func stateOf(flags []string, link string) string {
	for _, f := range []struct{ flag, state string }{
		{"fail", "failed"}, {"fail?", "failing"}, {"handshake", "not yet known"}, {"noaddr", "without an address"},
	} {
		if slices.Contains(flags, f.flag) {
			return f.state
		}
	}
	if link != "connected" {
		return disconnected
	}
	return ""
}

// shownAddr returns the address in text, which has the form ip:port@busport,name, or id if
// there is none.
func shownAddr(id, text string) string {
	addr, _, _ := strings.Cut(text, "@")
	if host, _, err := net.SplitHostPort(addr); err != nil || host == "" {
		return id
	}
	return addr
}

// maxMembers is the maximum number of a Cluster's nodes that are remembered.
const maxMembers = 64

// readMembers parses the reply to CLUSTER SLOTS. It returns the masters in the order of their
// lowest slots, in which all instances prefer them, so the owner of slot 0 comes first. An
// empty host stands for the host that was asked.
func readMembers(slots []rueidis.RedisMessage, asked string, failed map[string]bool) []member {
	var members []member
	for i := range slots {
		slot, err := slots[i].ToArray() // first last master replica...
		if err != nil || len(slot) < 3 {
			continue
		}
		first, errFirst := slot[0].AsInt64()
		node, err := slot[2].ToArray() // host port id ...
		if err != nil || errFirst != nil || len(node) < 2 {
			continue
		}
		host, _ := node[0].ToString()
		port, err := node[1].AsInt64()
		if host == "" {
			host = asked
		}
		if err != nil || port < 1 || port > 65535 || host == "?" {
			continue
		}
		m := member{addr: net.JoinHostPort(host, strconv.FormatInt(port, 10)), first: first}
		if len(node) > 2 {
			m.id, _ = node[2].ToString()
		}
		m.failed = failed[m.id]
		members = append(members, m)
	}
	slices.SortStableFunc(members, func(a, b member) int { return cmp.Compare(a.first, b.first) })
	seen := make(map[string]bool)
	members = slices.DeleteFunc(members, func(m member) bool {
		defer func() { seen[m.addr] = true }()
		return seen[m.addr]
	})
	return members[:min(len(members), maxMembers)]
}
