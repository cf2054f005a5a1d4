// Package manpage writes the manual pages of a program from the model of its command line.
package manpage

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// Manual describes the manual pages of a program.
type Manual struct {
	// App is the model of the command line.
	App *kong.Application
	// Version is that of the program, such as v0.1.0.
	Version string
	// Date is when this version was made, such as 2026-11-26. May be empty.
	Date string
	// Title is the name of the manual, which is printed above each page.
	Title string
	// Home is the address of further documentation.
	Home string
}

// Page is a manual page of section 1.
type Page struct {
	Name string // such as ignis-serve.1
	Text string // in the macros of man(7)
}

// Pages returns a page for the program and one for each of its commands, which describes their
// subcommands, too.
func (m *Manual) Pages() []Page {
	pages := []Page{{m.App.Name + ".1", m.program()}}
	for _, command := range m.commands() {
		pages = append(pages, Page{m.page(command) + ".1", m.command(command)})
	}
	return pages
}

// commands returns the commands that have a page.
func (m *Manual) commands() (list []*kong.Node) {
	for _, child := range m.App.Children {
		if !child.Hidden {
			list = append(list, child)
		}
	}
	return list
}

// page returns the name of the page of a command.
func (m *Manual) page(command *kong.Node) string { return m.App.Name + "-" + command.Name }

// program returns the page of the program.
func (m *Manual) program() string {
	d := &document{}
	about, rest, _ := strings.Cut(m.App.Help, "\n")
	m.begin(d, m.App.Name, about)
	d.section("SYNOPSIS")
	d.synopsis(m.App.Name, "<command> [flags]")
	prose, examples, exit := sections(rest)
	d.section("DESCRIPTION")
	d.prose(prose)
	d.section("COMMANDS")
	for _, c := range m.commands() {
		d.line(".TP")
		d.line(fmt.Sprintf(`.BR %s (1)`, escape(m.page(c))))
		d.text(c.Help)
	}
	m.flags(d, ".SH OPTIONS", m.App.Node.Flags)
	d.optional("EXIT STATUS", exit)
	d.optional("EXAMPLES", examples)
	var also []string
	for _, c := range m.commands() {
		also = append(also, m.page(c))
	}
	m.end(d, also)
	return d.String()
}

// command returns the page of a command.
func (m *Manual) command(c *kong.Node) string {
	d := &document{}
	m.begin(d, m.page(c), c.Help)
	d.section("SYNOPSIS")
	leaves := c.Leaves(true)
	if len(leaves) == 0 {
		leaves = []*kong.Node{c}
	}
	for i, leaf := range leaves {
		if i > 0 {
			d.line(".br")
		}
		d.synopsis(leaf.FullPath(), strings.TrimPrefix(leaf.Summary(), leaf.Path()))
	}
	prose, examples, exit := sections(c.Detail)
	d.section("DESCRIPTION")
	if prose == "" {
		prose = c.Help
	}
	d.prose(prose)
	m.arguments(d, c)
	m.flags(d, ".SH OPTIONS", c.Flags)
	if len(c.Children) > 0 {
		d.section("COMMANDS")
		m.subcommands(d, c)
	}
	d.section("ENVIRONMENT")
	d.text("Each option can also be set with the variable that is stated with it. Options take precedence.")
	if exit == "" {
		_, _, exit = sections(m.App.Help)
	}
	d.optional("EXIT STATUS", exit)
	d.optional("EXAMPLES", examples)
	m.end(d, []string{m.App.Name})
	return d.String()
}

// subcommands describes the commands below a command.
func (m *Manual) subcommands(d *document, c *kong.Node) {
	for _, child := range c.Children {
		if child.Hidden {
			continue
		}
		d.line(".SS " + quote(child.FullPath()))
		d.text(child.Help)
		if child.Detail != "" && child.Detail != c.Detail {
			d.line(".PP")
			d.prose(child.Detail)
		}
		m.arguments(d, child)
		m.flags(d, ".PP", child.Flags)
		m.subcommands(d, child)
	}
}

// begin begins a page.
func (m *Manual) begin(d *document, name, about string) {
	d.line(fmt.Sprintf(".TH %s 1 %s %s %s", strings.ToUpper(escape(name)), quote(m.Date), quote(m.App.Name+" "+m.Version), quote(m.Title)))
	d.line(".ad l\n.nh") // long names of flags and variables do not justify well
	d.section("NAME")
	d.line(escape(name) + ` \- ` + escape(strings.TrimSuffix(about, ".")))
}

// end ends a page, with the names of related ones.
func (m *Manual) end(d *document, also []string) {
	d.section("SEE ALSO")
	for i, name := range also {
		comma := " ,"
		if i == len(also)-1 {
			comma = ""
		}
		d.line(fmt.Sprintf(".BR %s (1)%s", escape(name), comma))
	}
	d.line(".PP")
	d.text("Documentation: " + m.Home)
}

// arguments describes the arguments of a command.
func (m *Manual) arguments(d *document, c *kong.Node) {
	for _, a := range c.Positional {
		d.line(".TP")
		d.line(".I " + escape(a.Name))
		d.text(a.Help)
	}
}

// flags describes flags by group, below a macro: .SH with a title, or .PP.
func (m *Manual) flags(d *document, heading string, flags []*kong.Flag) {
	var groups []string
	byGroup := make(map[string][]*kong.Flag)
	for _, f := range flags {
		if f.Hidden {
			continue
		}
		title := ""
		if f.Group != nil {
			title = f.Group.Title
		}
		if byGroup[title] == nil {
			groups = append(groups, title)
		}
		byGroup[title] = append(byGroup[title], f)
	}
	if len(groups) > 0 && heading != ".PP" {
		d.line(heading)
	}
	for _, title := range groups {
		switch {
		case title == "":
		case heading == ".PP":
			d.line(".PP\n.I " + quote(title))
		default:
			d.line(".SS " + quote(title))
		}
		for _, f := range byGroup[title] {
			flag(d, f)
		}
	}
}

// flag describes a flag.
func flag(d *document, f *kong.Flag) {
	d.line(".TP")
	name := `\fB\-\-` + escape(f.Name) + `\fR`
	if f.Short != 0 {
		name = `\fB\-` + escape(string(f.Short)) + `\fR, ` + name
	}
	if !f.IsBool() && !f.IsCounter() {
		name += `=\fI` + escape(f.FormatPlaceHolder()) + `\fR`
	}
	d.line(name)
	d.text(f.Help)
	if f.HasDefault && f.Default != "" && !strings.Contains(f.Help, f.Default) {
		d.text("The default is " + f.Default + ".")
	}
	if f.Required {
		d.text("It is required.")
	}
	if len(f.Envs) > 0 {
		d.line(".br")
		d.text("Variable: " + strings.Join(f.Envs, ", "))
	}
}
