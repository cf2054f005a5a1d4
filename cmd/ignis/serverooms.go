package main

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/ignis-go/ignis/access"
	"github.com/ignis-go/ignis/internal/configfile"
	"github.com/ignis-go/ignis/internal/filewatch"
	"github.com/ignis-go/ignis/internal/listen"
)

// roomRule says what clients may do in the rooms that match a pattern.
type roomRule struct {
	Match string    `key:"match" required:"" help:"Pattern of the rooms' names, such as public-*, team-{team} or user:{user}:*. The most specific pattern that matches decides."`
	Join  joinRule  `key:"join" help:"Who may join: anyone, nobody, webhook (which the webhook decides), or the clients with a claim (nobody)."`
	Send  *sendRule `key:"send" help:"Which events clients may send to the rooms (none)."`
}

// joinRule says who may join a room.
type joinRule struct {
	Who   string `key:"-"`
	Claim string `key:"claim" required:"" help:"Claim of the token that is, or lists, the value of the pattern's variable."`
	Of    string `key:"of" help:"Variable of the pattern (the only one)."`
}

// UnmarshalText parses one of the words.
func (j *joinRule) UnmarshalText(text []byte) error {
	*j = joinRule{Who: string(text)}
	return nil
}

// Syntax implements [configfile.Scalar].
func (joinRule) Syntax() configfile.Syntax {
	return configfile.Syntax{Type: "string", Enum: []string{string(access.Anyone), string(access.Nobody), string(access.Webhook)}}
}

// Short returns the word, if the rule is one.
func (j joinRule) Short() (string, bool) { return j.Who, j.Who != "" }

// sendRule says which events clients may send to a room, and what becomes of them.
type sendRule struct {
	Events nameList `key:"events" required:"" help:"Names of the events."`
	From   string   `key:"from" enum:"members,anyone" default:"members" help:"Who may send: clients in the room (members) or anyone."`
	To     string   `key:"to" enum:"room,webhook,both" default:"room" help:"Where messages go: to the clients in the room (room), to the webhook, or both."`
}

// rules returns the rules, or nil if the file has no section for them.
func (e *effective) rules() (*access.Rules, error) {
	if e.Rooms == nil {
		return nil, nil
	}
	list := make([]access.Rule, len(e.Rooms))
	for i, r := range e.Rooms {
		list[i] = access.Rule{Match: r.Match, Join: access.JoinRule{Who: access.Who(r.Join.Who), Claim: r.Join.Claim, Of: r.Join.Of}}
		if e.parsed != nil {
			list[i].Line = e.parsed.Position(fmt.Sprintf("rooms[%d]", i)).Line
		}
		if r.Send != nil {
			list[i].Send = &access.SendRule{Events: r.Send.Events, From: access.Senders(r.Send.From), To: access.Target(r.Send.To)}
		}
	}
	return access.Compile(list)
}

// keyError is an error about the value of a key in the file.
type keyError struct{ key, text string }

func (e *keyError) Error() string { return e.key + ": " + e.text }

// authorities returns a configuration for TLS that trusts the certificates in a file, or nil if
// there is none.
func authorities(file string) (*tls.Config, error) {
	if file == "" {
		return nil, nil
	}
	f, err := filewatch.ReadFile(file, listen.MaxFile)
	if err != nil {
		return nil, err
	}
	pool, err := listen.ParseAuthorities(f.Text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}

// problems returns an error about the values of the file, with positions.
func (e *effective) problems(err error) configfile.Problems {
	var (
		list  configfile.Problems
		rules *access.Error
		key   *keyError
	)
	add := func(key, text string) {
		at := configfile.Position{Line: 1, Column: 1}
		if e.parsed != nil {
			at = e.parsed.Position(key)
		}
		list = append(list, configfile.Problem{File: cmp.Or(e.file, "settings"), Line: at.Line, Column: at.Column, Key: key, Text: text})
	}
	switch {
	case errors.As(err, &rules):
		for _, p := range rules.Problems {
			add(p.Key, p.Text)
		}
	case errors.As(err, &key):
		add(key.key, key.text)
	default:
		add("", err.Error())
	}
	return list
}
