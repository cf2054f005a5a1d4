// Package access decides which rooms a client may join and which events it may send to
// them. The decisions are pure functions of a list of rules: the package knows neither
// servers nor tokens. Package access/enforce applies them to a server.
//
//	rules, err := access.Compile([]access.Rule{
//		{Match: "public-*", Join: access.JoinRule{Who: access.Anyone}},
//		{Match: "user:{user}:*", Join: access.JoinRule{Who: access.Anyone}},
//		{
//			Match: "team-{team}",
//			Join:  access.JoinRule{Claim: "teams"},
//			Send:  []access.SendRule{{Events: []string{"say", "typing"}}},
//		},
//	})
//	...
//	ann := access.Subject{User: "ann", Claims: claims.Field}
//	rules.Join(ann, "team-red").Allowed
//	rules.Send(ann, "team-red", "say", member).Relay
//
// Nothing is allowed unless a rule allows it.
//
// # Patterns
//
// Colons divide a pattern into parts, and the name of a room as well. A part of a pattern
// is one of the following:
//
//	lobby          this text
//	team-{team}    a variable, with text before or after it
//	public-*       at the end of a pattern: any text, including colons
//
// A variable stands for one or more characters other than a colon, and * for one or more
// characters of any kind. {user} stands for the client's user ID. The other names are free;
// they consist of lower-case letters, digits and _. Since a part contains at most one
// variable, a name matches a pattern in only one way. Names are compared byte by byte.
//
// # Which rule decides
//
// One rule decides: the rule with the most specific of the patterns that match the name. To
// compare two patterns, read them from left to right. Where they first differ, text is more
// specific than a variable, and a variable is more specific than *. If both have a variable
// there, the longer text between it and the next colon is more specific. Neither the order
// of the list nor the client matters.
//
// A rule with {user} therefore decides about the rooms of all users. It refuses every
// client except the user in the name, and a less specific rule does not allow others.
//
// Patterns that differ only in the names of their variables match the same rooms. Of these,
// rules with {user} decide about their users (if several match, the first in the list
// decides), and one rule without {user} decides about all other clients:
//
//	rooms:
//	  - match: "user:{user}:*"         # users themselves
//	    join: anyone
//	  - match: "user:{id}:*"           # their managers
//	    join: {claim: manages}
//
// Like other variables, {user} does not stand for text with a colon. A user whose ID
// contains a colon has no rooms by {user}: otherwise the user a could join the rooms of the
// user a:b.
//
// # Where events go
//
// A rule can send its events to different places, and to all clients in the room except the
// sender:
//
//	send:
//	  - {events: [typing], except_sender: true}
//	  - {events: [say, topic], to: webhook}
//
// An event can be in only one entry. An entry that refuses a client is therefore not
// followed by another that allows it, and the order of the entries does not matter.
//
// # Names of rooms
//
// Whatever the rules say, clients can neither join a room nor send to it if its name
//
//   - is empty or longer than [MaxName]
//   - begins with ws:, which the protocol reserves
//   - contains * ? [ ] { } or \, which have a meaning in patterns
//   - is not valid UTF-8, or contains U+FFFD, with which decoders replace invalid text
//   - contains control characters, invisible characters, a space other than the ASCII
//     space, or characters that are missing in Go's Unicode tables
//   - begins or ends with a space
//   - is not in Unicode normalization form C, so that two encodings of the same text are
//     never two rooms
//   - has the form of a UUID, because each client has a room named by its ID
//
// Names that begin with ws- are those of the rooms that every client is in by default. They
// match only patterns that begin with ws- too, so that a rule for * does not let clients
// send to everyone.
//
// Upper and lower case, full-width letters and similar letters of other scripts make
// different names. They cannot deceive a rule with a claim or {user}, which compares bytes.
// A rule that lets anyone join by * or a variable accepts all of them.
//
// # Configuration
//
// [Rules] can be decoded from YAML, with the module go.yaml.in/yaml/v3, and from JSON.
// What is wrong with the rules is reported together, with line numbers:
//
//	line 7: rooms[2].join: expected anyone, nobody, webhook or a mapping with claim, of and is, but got "all"
package access
