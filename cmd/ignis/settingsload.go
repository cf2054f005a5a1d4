package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/alecthomas/kong"

	"github.com/ignis-go/ignis/internal/configfile"
	"github.com/ignis-go/ignis/internal/filewatch"
)

// variablePrefix is the beginning of the names of environment variables.
const variablePrefix = "IGNIS"

// modelOfSettings returns the model of the settings of ignis serve. It builds it only once.
var modelOfSettings = sync.OnceValues(func() (*configfile.Model, error) {
	return configfile.ModelOf[settings](variablePrefix)
})

const settingsHint = "docs/configuration.md lists the keys; ignis config schema prints a JSON Schema, with which editors check the file"

// settingsLoader combines flags, environment variables and the configuration file.
type settingsLoader struct {
	model *configfile.Model
	base  settings // from flags and variables; defaults where neither is set
	given map[string]origin
	files *filewatch.Files // the configuration file; nil if there is none
}

// origin says where the value of a key comes from.
type origin struct {
	source string // default, flag, variable or file
	from   string // the flag, the variable, or the position in the file
}

// newSettingsLoader returns a loader for the settings of a parsed command line.
func newSettingsLoader(s *settings, command *kong.Context) (*settingsLoader, error) {
	model, err := modelOfSettings()
	if err != nil {
		return nil, err
	}
	l := &settingsLoader{model: model, base: *s, given: make(map[string]origin)}
	if err := model.SetDefaults(&l.base); err != nil {
		return nil, err
	}
	typed := make(map[string]bool)
	for _, p := range command.Path {
		if p.Flag != nil && !p.Resolved {
			typed[p.Flag.Name] = true
		}
	}
	for _, k := range model.Keys() {
		value, set := os.LookupEnv(k.Variable)
		switch {
		case k.Flag != "" && typed[k.Flag]:
			l.given[k.Path] = origin{"flag", "--" + k.Flag}
		case k.Flag == "" && k.Variable != "" && value != "":
			l.given[k.Path] = origin{"variable", k.Variable}
			model.Field(k, &l.base).SetString(value)
		case k.Flag != "" && set:
			l.given[k.Path] = origin{"variable", k.Variable}
		}
	}
	if l.base.Config != "" {
		l.files = filewatch.New(configfile.MaxSize, l.base.Config)
	}
	return l, nil
}

// effective are the settings that a server runs with.
type effective struct {
	settings
	loader  *settingsLoader
	file    string // name of the file; may be empty
	parsed  *configfile.File
	origins configfile.Origins
}

// loadSettings returns the effective settings for the settings of a parsed command line.
func loadSettings(s *settings, command *kong.Context) (*effective, error) {
	l, err := newSettingsLoader(s, command)
	if err != nil {
		return nil, err
	}
	return l.load()
}

// load reads the file, if there is one, and returns the effective settings.
func (l *settingsLoader) load() (*effective, error) {
	if l.files == nil {
		return &effective{settings: l.base, loader: l}, nil
	}
	return l.decode(l.files.Read())
}

// decode returns the effective settings for a file that has been read.
func (l *settingsLoader) decode(c filewatch.Contents) (*effective, error) {
	if c.Err != nil {
		return nil, usage("name a file that this user can read", "--config: %w", c.Err)
	}
	e := &effective{settings: l.base, loader: l, file: l.base.Config}
	return e, l.apply(e, c.Files[0].Text)
}

// apply sets what the text of the file says and no flag or variable overrides.
func (l *settingsLoader) apply(e *effective, text []byte) error {
	file, problems := configfile.Parse(e.file, text)
	if problems == nil {
		e.origins, problems = l.model.Decode(file, &e.settings, l.overridden)
	}
	e.parsed = file
	if problems == nil {
		problems = e.checkFile()
	}
	if problems != nil {
		return &exitError{exitUsage, problems, settingsHint}
	}
	return nil
}

// overridden reports whether a flag or a variable replaces the value of a key in the file.
func (l *settingsLoader) overridden(k *configfile.Key) bool {
	if _, ok := l.given[k.Path]; ok {
		return true
	}
	return slices.ContainsFunc(l.model.Keys(), func(other *configfile.Key) bool {
		_, ok := l.given[other.Path]
		return ok && other.Replaces(k)
	})
}

// checkFile returns what is wrong with the values of the file taken together.
func (e *effective) checkFile() configfile.Problems {
	if e.isFrom("redis.url", "file") && hasPassword(e.Redis) {
		return e.problems(&keyError{"redis.url", "the URL contains a password; write it to a file of its own and name that in redis.url_file, or set IGNIS_REDIS"})
	}
	return nil
}

// origin returns where the value of a key comes from.
func (e *effective) origin(k *configfile.Key) origin {
	if o, ok := e.loader.given[k.Path]; ok {
		return o
	}
	if at, ok := e.origins[k.Path]; ok && !e.loader.overridden(k) {
		return origin{"file", fmt.Sprintf("%s:%d", e.file, at.Line)}
	}
	return origin{source: "default"}
}

// isFrom reports whether the value of the key with this path comes from source.
func (e *effective) isFrom(path, source string) bool {
	for _, k := range e.loader.model.Keys() {
		if k.Path == path {
			return e.origin(k).source == source
		}
	}
	return false
}

// flagName matches a flag in an error.
var flagName = regexp.MustCompile(`--[a-z][a-z0-9-]*`)

// explain returns the text of an error or hint in which settings from the file are called
// by their keys. Package app calls all settings by their flags.
func (e *effective) explain(text string) string {
	leading := true
	return flagName.ReplaceAllStringFunc(text, func(flag string) string {
		for _, k := range e.loader.model.Keys() {
			if "--"+k.Flag != flag || e.origin(k).source != "file" {
				continue
			}
			at := e.origins[k.Path]
			if leading && strings.HasPrefix(text, flag) {
				leading = false
				return fmt.Sprintf("%s:%d:%d: %s", e.file, at.Line, at.Column, k.Path)
			}
			return k.Path
		}
		return flag
	})
}

// keepFixed gives the settings that cannot change while the server runs the values of old,
// and returns their keys. changed are the keys whose values differ.
func (e *effective) keepFixed(old *effective) (fixed, changed []*configfile.Key) {
	for _, k := range e.loader.model.Changed(&e.settings, &old.settings) {
		if k.Live {
			changed = append(changed, k)
			continue
		}
		fixed = append(fixed, k)
		e.loader.model.Field(k, &e.settings).Set(e.loader.model.Field(k, &old.settings))
	}
	return fixed, changed
}

// checkVariables returns an error if the environment contains a variable IGNIS_... that neither a
// command of the parser nor another one has.
func checkVariables(parser *kong.Kong, std *stdio) error {
	if checkVariablesOf(parser.Model.Node) == nil {
		return nil
	}
	all, err := newParser(&cli{}, std)
	if err != nil {
		return err
	}
	return checkVariablesOf(all.Model.Node)
}

// checkVariablesOf returns an error if the environment contains a variable IGNIS_... that no
// command below root has.
func checkVariablesOf(root *kong.Node) error {
	known := []string{apiKeyVariable} // a flag would show the key to other users
	err := kong.Visit(root, func(v kong.Visitable, next kong.Next) error {
		if f, ok := v.(*kong.Flag); ok {
			known = append(known, f.Envs...)
		}
		return next(nil)
	})
	if err != nil {
		return err
	}
	model, err := modelOfSettings()
	if err != nil {
		return err
	}
	for _, k := range model.Keys() {
		known = append(known, k.Variable)
	}
	if err := configfile.CheckVariables(variablePrefix, os.Environ(), known); err != nil {
		return usage("variables that start with IGNIS_ are reserved for ignis; unset it, or correct its name", "%w", err)
	}
	return nil
}
