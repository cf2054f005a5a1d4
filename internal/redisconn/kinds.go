package redisconn

import "strings"

// Kind classifies an error reply of Redis. What a kind means depends on the command; see the
// tables in packages redisbus and rediscron.
type Kind int

// The kinds of error replies.
const (
	Other           Kind = iota
	CannotWrite          // a full disk, full memory or missing replicas prevent writes
	Loading              // Redis is loading its data
	Busy                 // a script has been running for too long
	Replica              // the node is a replica
	ClusterDown          // the Cluster does not serve the slot
	InMotion             // the slot is being moved to another node
	Redirected           // another node owns the slot
	NoScript             // the script is not loaded
	NoRights             // the access control list forbids the command
	NoCommand            // the command does not exist or was renamed
	Unauthenticated      // a password is required
	NoAccess             // wrong credentials, protected mode or wrong database
	Kinds                // number of kinds
)

// kinds maps error replies to kinds. An entry of one word matches the first word of a reply,
// and an entry of several words its beginning. Case is ignored.
var kinds = []struct {
	begins string
	kind   Kind
}{
	{"misconf", CannotWrite},
	{"oom", CannotWrite},
	{"noreplicas", CannotWrite},
	{"loading", Loading},
	{"busy", Busy},
	{"readonly", Replica},
	{"masterdown", Replica},
	{"clusterdown", ClusterDown},
	{"tryagain", InMotion},
	{"moved", Redirected},
	{"ask", Redirected},
	{"redirect", Redirected}, // Valkey
	{"noscript", NoScript},
	{"noperm", NoRights},
	{"the user executing the script can't", NoRights}, // a command called by a script
	{"unknown command", NoCommand},
	{"unknown subcommand", NoCommand},
	{"unknown redis command called from script", NoCommand},
	{"noauth", Unauthenticated},
	{"wrongpass", NoAccess},
	{"denied", NoAccess}, // protected mode
	{"invalid password", NoAccess},
	{"auth <password> called without", NoAccess},
	{"client sent auth", NoAccess},
	{"db index", NoAccess},
	{"invalid db index", NoAccess},
	{"select is not allowed", NoAccess},
}

// KindOf returns the kind of an error reply.
func KindOf(reply string) Kind {
	text := strings.ToLower(withoutScript(strings.TrimPrefix(reply, "ERR ")))
	word, _, _ := strings.Cut(text, " ")
	for _, k := range kinds {
		if k.begins == word || strings.Contains(k.begins, " ") && strings.HasPrefix(text, k.begins) {
			return k.kind
		}
	}
	return Other
}

// withoutScript returns the reply to a command called by a script. Redis 6 prefixes
// it with the name of the script and the position:
//
//	Error running script (call to f_6b1b...): @user_script:1: @user_script: 1: -READONLY You can't ...
func withoutScript(text string) string {
	if !strings.HasPrefix(text, "Error running script (call to ") {
		return text
	}
	_, text, _ = strings.Cut(text, "): ")
	for strings.HasPrefix(text, "@user_script:") {
		_, text, _ = strings.Cut(strings.TrimPrefix(text, "@user_script:"), ": ")
	}
	return strings.TrimPrefix(text, "-")
}
