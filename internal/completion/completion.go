// Package completion writes the scripts by which bash, zsh and fish complete a command
// line, from the same model that its help comes from. The scripts stand by themselves:
// they do not call the program.
//
// It must not import anything of the module.
package completion

import (
	"strings"

	"github.com/alecthomas/kong"
)

// command is what may be typed behind a command.
type command struct {
	path  string // "godwit token create"
	about string
	below []*command
	flags []flag
	args  []value
}

// name is the last word of the path.
func (c *command) name() string { return c.path[strings.LastIndexByte(c.path, ' ')+1:] }

// all are c and the commands below it.
func (c *command) all() []*command {
	found := []*command{c}
	for _, b := range c.below {
		found = append(found, b.all()...)
	}
	return found
}

// flag is one that a command has.
type flag struct {
	names   []string // "--quiet", "-q"
	about   string
	takes   bool
	repeats bool
	value   value
}

// value is what a flag or an argument may be.
type value struct {
	name    string
	kind    kind
	words   []string // of the kind word
	repeats bool     // an argument that may be several
}

// kind is what a value is chosen from.
type kind int

const (
	anything kind = iota
	word
	file
	directory
)

// model is what the scripts need of a command line.
func model(app *kong.Application) *command { return of(app.Node, app.HelpFlag) }

func of(n *kong.Node, help *kong.Flag) *command {
	c := &command{path: n.FullPath(), about: n.Help}
	for _, b := range n.Children {
		if !b.Hidden {
			c.below = append(c.below, of(b, help))
		}
	}
	flags := n.Flags
	if n.Type != kong.ApplicationNode { // which has it among its own
		flags = append([]*kong.Flag{help}, flags...)
	}
	for _, f := range flags {
		if !f.Hidden {
			c.flags = append(c.flags, flagOf(f))
		}
	}
	for _, arg := range n.Positional {
		v := valueOf(arg, arg.Tag.PlaceHolder)
		v.repeats = arg.IsCumulative()
		c.args = append(c.args, v)
	}
	return c
}

func flagOf(f *kong.Flag) flag {
	made := flag{names: []string{"--" + f.Name}, about: f.Help, repeats: f.IsCumulative()}
	if f.Short != 0 {
		made.names = append(made.names, "-"+string(f.Short))
	}
	if made.takes = !f.IsBool() && !f.IsCounter(); made.takes {
		made.value = valueOf(f.Value, f.PlaceHolder)
	}
	return made
}

// valueOf goes by the words that a value is chosen from, or by how the help calls it:
// FILE and DIR are what they say.
func valueOf(v *kong.Value, placeholder string) value {
	made := value{name: v.Name}
	if placeholder == "" {
		placeholder = strings.ToUpper(v.Name)
	}
	switch {
	case v.Enum != "":
		made.kind, made.words = word, v.EnumSlice()
	case placeholder == "FILE":
		made.kind = file
	case placeholder == "DIR":
		made.kind = directory
	}
	return made
}
