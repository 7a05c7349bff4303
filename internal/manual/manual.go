// Package manual writes a command line's pages for man(1), one for the program and one
// for each of its commands, from the same model that its help comes from.
//
// It must not import anything of the module.
package manual

import (
	"strings"

	"github.com/alecthomas/kong"
)

// Manual is what pages are made of.
type Manual struct {
	// App is the model of the command line.
	App *kong.Application
	// About says in one line what the program is, without a full stop.
	About string
	// Description is text whose paragraphs an empty line parts.
	Description string
	// ExitStatus has what each code means, from 0 on.
	ExitStatus []string
	// URL is where more is written.
	URL string
	// Source stands below each page: the program and its version.
	Source string
	// Date is the source's, as 2006-01-02, so that the same source makes the same pages;
	// "" is none.
	Date string
}

// Page is a page of section 1.
type Page struct {
	Name string // of its file
	Text string // in the man(7) macros of roff
}

// Pages returns the program's page and then those of its commands.
func (m *Manual) Pages() []Page {
	pages := []Page{{Name: m.App.Name + ".1", Text: m.program()}}
	for _, n := range nodes(m.App.Node) {
		pages = append(pages, Page{Name: title(n) + ".1", Text: m.command(n)})
	}
	return pages
}

// nodes are the commands below n that are shown, each before its own.
func nodes(n *kong.Node) []*kong.Node {
	var all []*kong.Node
	for _, c := range n.Children {
		if !c.Hidden {
			all = append(append(all, c), nodes(c)...)
		}
	}
	return all
}

// title is the name of a command's page: godwit-token-create.
func title(n *kong.Node) string { return strings.ReplaceAll(n.FullPath(), " ", "-") }

func (m *Manual) program() string {
	r := m.begin(m.App.Node, m.About)
	r.section("SYNOPSIS")
	r.line(".B " + escape(m.App.Name))
	r.line(`\fIcommand\fR [\fIflags\fR]`)
	r.section("DESCRIPTION")
	r.paragraphs(m.Description)
	r.section("COMMANDS")
	r.commands(nodes(m.App.Node))
	r.section("OPTIONS")
	r.flags(m.App.Flags)
	r.section("EXIT STATUS")
	for code, meaning := range m.ExitStatus {
		r.item(bold(string(rune('0'+code))), meaning)
	}
	r.section("SEE ALSO")
	r.line(escape(m.URL))
	return r.String()
}

func (m *Manual) command(n *kong.Node) string {
	r := m.begin(n, summary(n))
	r.section("SYNOPSIS")
	r.synopsis(n)
	r.section("DESCRIPTION")
	r.paragraphs(n.Help)
	r.paragraphs(n.Detail)
	if below := nodes(n); len(below) > 0 {
		r.section("COMMANDS")
		r.commands(below)
	}
	if len(n.Positional) > 0 {
		r.section("ARGUMENTS")
		for _, arg := range n.Positional {
			r.item(italic(arg.Name), kong.DefaultHelpValueFormatter(arg))
		}
	}
	if n.Leaf() {
		r.section("OPTIONS")
		r.flags(n.Flags)
		r.flags([]*kong.Flag{m.App.HelpFlag})
		r.section("EXIT STATUS")
		r.paragraphs("0 when it is done; " + m.App.Name + "(1) has the others.")
	}
	r.section("SEE ALSO")
	r.references(n)
	return r.String()
}

// begin writes a page's head and what it is about.
func (m *Manual) begin(n *kong.Node, about string) *roff {
	r := &roff{}
	r.head(strings.ToUpper(title(n)), m.Date, m.Source, m.App.Name+" manual")
	r.section("NAME")
	r.line(escape(title(n)) + ` \- ` + escape(about))
	return r
}

// summary is what a command does, as it stands behind its name: whatis(1) shows it.
func summary(n *kong.Node) string {
	text := strings.TrimSuffix(n.Help, ".")
	return strings.ToLower(text[:1]) + text[1:]
}
