package main

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"

	"github.com/ignis-go/ignis/access"
	"github.com/ignis-go/ignis/internal/configfile"
	"github.com/ignis-go/ignis/internal/filewatch"
	"github.com/ignis-go/ignis/internal/listen"
)

// rules returns the rules, or nil if the file has no section for them.
func (e *effective) rules() (*access.Rules, error) {
	if e.Rooms == nil {
		return nil, nil
	}
	list := slices.Clone(e.Rooms)
	for i := range list {
		if e.parsed != nil {
			list[i].Line = e.parsed.Position(fmt.Sprintf("rooms[%d]", i)).Line
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
