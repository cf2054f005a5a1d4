// Package access decides by rules which rooms a client may join and which events it may
// send to them. It consists of pure functions: it knows neither servers nor tokens, and
// depends only on the standard library.
//
//	rules, err := access.Compile([]access.Rule{
//		{Match: "public-*", Join: access.JoinRule{Who: access.Anyone}},
//		{Match: "user:{user}:*", Join: access.JoinRule{Who: access.Anyone}},
//		{
//			Match: "team-{team}",
//			Join:  access.JoinRule{Claim: "teams"},
//			Send:  &access.SendRule{Events: []string{"say", "typing"}},
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
// The colons of a pattern divide it into parts, and so do those of a room's name. A part
// of a pattern is one of
//
//	lobby          this text
//	team-{team}    a variable, and text before and behind it
//	public-*       at the end of a pattern: anything, colons included
//
// A variable stands for one or more characters other than a colon, and * for one or more
// characters. {user} stands for the client's user ID; all other names, of lower-case
// letters, digits and _, can be chosen freely. As a part contains at most one variable,
// there is only one way in which a name can match. All comparisons are exact, byte by
// byte.
//
// # Which rule decides
//
// One rule decides: of those whose pattern matches the name, the one with the most specific
// pattern. To find it, compare two patterns from left to right. Where they first differ,
// text beats a variable, and a variable beats *. Behind a variable, the longer text up to
// the next colon wins. Neither the order of the list nor the client matters for this.
//
// So a rule with {user} decides about the rooms of all users. It refuses everybody but the
// user in the name, and a less specific rule does not let others in. Only patterns that
// differ in nothing but the names of their variables share rooms: a rule with {user} decides
// about its user (if several are, the first in the list), and the one without about all
// other clients:
//
//	rooms:
//	  - match: "user:{user}:*"         # users themselves
//	    join: anyone
//	  - match: "user:{id}:*"           # their managers
//	    join: {claim: manages}
//
// {user} stands for one or more characters other than a colon as well, so a user whose ID
// contains one has no such rooms. Otherwise user a could join the rooms of a user a:b.
//
// # Names of rooms
//
// Whatever the rules say, clients can neither join rooms nor send to rooms whose name
//
//   - is empty, or longer than [MaxName]
//   - begins with ws:, which the protocol reserves
//   - contains one of * ? [ ] { } \, which have a meaning in patterns
//   - is not valid UTF-8, or contains U+FFFD, by which decoders replace what is not
//   - contains characters that are not visible (control and formatting characters, blanks
//     other than the ASCII space, variation selectors) or that Go's Unicode tables do not have
//   - begins or ends with a space
//   - is not in Unicode's normal form C, so that two names that look the same because one
//     is composed and the other is not are never two rooms
//   - has the form of a UUID, because clients have rooms named by their IDs
//
// Upper and lower case, full-width forms and similar letters of different scripts are
// different names. A rule with a claim or {user} compares bytes, so look-alikes gain
// nothing there, but a rule with * or a variable and join: anyone lets clients use them.
//
// # Configuration
//
// [Rule] can be decoded from JSON with encoding/json, and from YAML with a decoder that
// calls UnmarshalYAML methods. A configuration that is decoded from YAML to JSON first
// needs only the former. Decoding keeps what is wrong, and [Compile] reports all of it at
// once.
package access
