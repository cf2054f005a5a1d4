// Package completion completes the command lines of a program in bash, zsh and fish. The scripts
// that it returns for the shells run the program itself to ask what can follow, so they never
// differ from the flags that the program has.
package completion

import (
	"strings"

	"github.com/alecthomas/kong"
)

// Kind says what completes a word.
type Kind string

// The kinds of answers. The scripts contain the same words.
const (
	Words   Kind = "words"   // one of the candidates
	Files   Kind = "files"   // the name of a file
	Folders Kind = "folders" // the name of a folder
)

// Candidate is a word that can stand in the place of an unfinished one.
type Candidate struct {
	Text string
	Help string // one sentence, or empty
}

// Answer says what can stand in the place of the last word of a command line.
type Answer struct {
	Kind       Kind
	Candidates []Candidate // for Words
}

// Completer completes the command lines of a program.
type Completer struct {
	// App is the model of the command line.
	App *kong.Application
	// Choices returns all texts that a flag or argument accepts, or nil if it accepts others.
	Choices func(*kong.Value) []string
}

// Complete answers what can stand in the place of the last of these words, which follow the name
// of the program.
func (c *Completer) Complete(words []string) Answer {
	if len(words) == 0 {
		words = []string{""}
	}
	last := len(words) - 1
	p := position{node: c.App.Node}
	for _, w := range words[:last] {
		p.next(w)
	}
	word := words[last]
	if p.flag != nil {
		return c.value(p.flag.Value, p.flag.FormatPlaceHolder(), word, "")
	}
	if !p.noFlags && strings.HasPrefix(word, "-") {
		if name, value, ok := strings.Cut(word, "="); ok {
			if f := p.find(name); f != nil {
				return c.value(f.Value, f.FormatPlaceHolder(), value, name+"=")
			}
			return Answer{Kind: Words}
		}
		return Answer{Words, p.flags(word)}
	}
	if p.argument < len(p.node.Positional) || p.rest() != nil {
		return c.value(p.positional(), "", word, "")
	}
	found := p.commands(word)
	if len(found) == 0 && word == "" && !p.noFlags {
		found = p.flags("")
	}
	return Answer{Words, found}
}

// value answers for the value of a flag or an argument, of which word is written. Candidates
// begin with prefix.
func (c *Completer) value(v *kong.Value, placeholder, word, prefix string) Answer {
	var found []Candidate
	for _, choice := range c.Choices(v) {
		if strings.HasPrefix(choice, word) {
			found = append(found, Candidate{Text: prefix + choice})
		}
	}
	kind := Words
	placeholder, _, _ = strings.Cut(placeholder, ",")
	switch {
	case placeholder == "FILE", v.Flag == nil && (v.Name == "file" || v.PassthroughMode != kong.PassThroughModeNone):
		kind = Files
	case placeholder == "DIR":
		kind = Folders
	}
	return Answer{kind, found}
}

// position is what the words before the last one have selected.
type position struct {
	node     *kong.Node
	argument int        // index of the next argument
	flag     *kong.Flag // the next word is its value
	noFlags  bool       // after --
	seen     []*kong.Flag
}

// next moves past a word.
func (p *position) next(word string) {
	switch {
	case p.flag != nil:
		p.flag = nil
	case p.noFlags || word == "-" || !strings.HasPrefix(word, "-"):
		p.enter(word)
	case word == "--":
		p.noFlags = true
	default:
		name, _, hasValue := strings.Cut(word, "=")
		f := p.find(name)
		if f == nil {
			return
		}
		p.seen = append(p.seen, f)
		attached := !strings.HasPrefix(word, "--") && len(word) > 2 // as in -n5
		if !f.IsBool() && !f.IsCounter() && !hasValue && !attached {
			p.flag = f
		}
	}
}

// enter moves past the name of a command or an argument.
func (p *position) enter(word string) {
	for _, child := range p.node.Children {
		if child.Name == word {
			p.node, p.argument = child, 0
			return
		}
	}
	p.argument++
}

// find returns the flag with this name, such as --tz or -n, or nil.
func (p *position) find(name string) *kong.Flag {
	for _, group := range p.node.AllFlags(true) {
		for _, f := range group {
			if name == "--"+f.Name || f.Short != 0 && !strings.HasPrefix(name, "--") && strings.HasPrefix(name, "-"+string(f.Short)) {
				return f
			}
		}
	}
	return nil
}

// flags returns the flags whose name begins with prefix, except those that are already set and
// cannot be repeated.
func (p *position) flags(prefix string) (list []Candidate) {
	for _, group := range p.node.AllFlags(true) {
		for _, f := range group {
			if name := "--" + f.Name; strings.HasPrefix(name, prefix) && (f.IsCumulative() || !p.set(f)) {
				list = append(list, Candidate{name, sentence(f.Help)})
			}
		}
	}
	return list
}

func (p *position) set(f *kong.Flag) bool {
	for _, s := range p.seen {
		if s == f {
			return true
		}
	}
	return false
}

// commands returns the commands whose name begins with prefix.
func (p *position) commands(prefix string) (list []Candidate) {
	for _, child := range p.node.Children {
		if !child.Hidden && child.Type == kong.CommandNode && strings.HasPrefix(child.Name, prefix) {
			list = append(list, Candidate{child.Name, sentence(child.Help)})
		}
	}
	return list
}

// rest returns the argument that takes all further words, or nil.
func (p *position) rest() *kong.Value {
	if n := len(p.node.Positional); n > 0 && p.node.Positional[n-1].IsCumulative() {
		return p.node.Positional[n-1]
	}
	return nil
}

// positional returns the argument that the last word belongs to.
func (p *position) positional() *kong.Value {
	if p.argument < len(p.node.Positional) {
		return p.node.Positional[p.argument]
	}
	return p.rest()
}

// sentence returns the first sentence of a help text, without the period.
func sentence(help string) string {
	text, _, _ := strings.Cut(help, ". ")
	return strings.TrimSuffix(strings.Join(strings.Fields(text), " "), ".")
}
