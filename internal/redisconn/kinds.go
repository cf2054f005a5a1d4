package redisconn

import "strings"

// Kind is what an error reply of Redis is about. What it means depends on the command: see
// the tables of packages redisbus and rediscron.
type Kind int

// The kinds of error replies.
const (
	Other           Kind = iota
	CannotWrite          // the disk, the memory or missing replicas keep Redis from writing
	Loading              // Redis loads its data
	Busy                 // a script does not end
	Replica              // the node is not the master
	ClusterDown          // the Cluster does not serve the slot
	InMotion             // the slot is on its way to another node
	Redirected           // another node has the slot
	NoScript             // the script is not loaded
	NoRights             // the access control list
	NoCommand            // there is no such command, or it was renamed
	Unauthenticated      // a password is needed
	NoAccess             // wrong credentials, protected mode, wrong database
	Kinds                // how many there are
)

// kinds finds the kind of an error reply by its first word, or by how it begins if the text
// here has several words. Upper and lower case are the same.
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
	{"the user executing the script can't", NoRights}, // what it calls
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

// KindOf returns what an error reply is about.
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

// withoutScript returns what a command of a script was answered. Redis 6 puts before it
// which script that was, and where:
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
