package manual

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// roff is a page as it grows.
type roff struct{ strings.Builder }

// escaper takes from characters what they mean to roff. A minus that is typed, and copied
// from a page, must be one: a plain - may be shown as a hyphen.
var escaper = strings.NewReplacer(`\`, `\e`, `-`, `\-`, `'`, `\(aq`, `^`, `\(ha`, `~`, `\(ti`, "`", `\(ga`, `"`, `\(dq`)

// escape is text as it is shown, on one line, whatever it begins with.
func escape(text string) string {
	text = escaper.Replace(strings.Join(strings.Fields(text), " "))
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}

func bold(text string) string   { return `\fB` + escape(text) + `\fR` }
func italic(text string) string { return `\fI` + escape(text) + `\fR` }

func (r *roff) line(text string) {
	r.WriteString(text)
	r.WriteByte('\n')
}

// head begins a page.
func (r *roff) head(title, date, source, manual string) {
	line := ".TH"
	for _, field := range []string{escape(title), "1", date, escape(source), escape(manual)} {
		line += ` "` + field + `"`
	}
	r.line(line)
}

func (r *roff) section(name string) { r.line(".SH " + name) }

// paragraphs writes text whose paragraphs an empty line parts.
func (r *roff) paragraphs(text string) {
	for i, p := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			r.line(".PP")
		}
		if p != "" {
			r.line(escape(p))
		}
	}
}

// item writes a term, as roff has it, and what there is to say of it.
func (r *roff) item(term, text string) {
	r.line(".TP")
	r.line(term)
	r.line(escape(text))
}

func (r *roff) commands(all []*kong.Node) {
	for _, n := range all {
		if n.Leaf() {
			r.item(bold(n.FullPath()), n.Help)
		}
	}
}

func (r *roff) flags(all []*kong.Flag) {
	for _, f := range all {
		if !f.Hidden {
			r.item(flagTerm(f), kong.DefaultHelpValueFormatter(f.Value))
		}
	}
}

// flagTerm is a flag as it is typed.
func flagTerm(f *kong.Flag) string {
	term := bold("--" + f.Name)
	if f.Short != 0 {
		term = bold("-"+string(f.Short)) + ", " + term
	}
	if !f.IsBool() && !f.IsCounter() {
		term += "=" + italic(f.FormatPlaceHolder())
	}
	return term
}

// synopsis writes how a command is called: what it must be given, and where more may be.
func (r *roff) synopsis(n *kong.Node) {
	r.line(".B " + escape(n.FullPath()))
	if !n.Leaf() {
		r.line(`\fIcommand\fR [\fIflags\fR]`)
		return
	}
	var words []string
	for _, f := range n.Flags {
		if f.Required && len(f.Xor) == 0 {
			words = append(words, flagTerm(f))
		}
	}
	words = append(words, `[\fIflags\fR]`)
	for _, arg := range n.Positional {
		words = append(words, argTerm(arg))
	}
	r.line(strings.Join(words, " "))
}

// argTerm is an argument as a synopsis has it.
func argTerm(arg *kong.Positional) string {
	term := italic(arg.Name)
	if arg.IsCumulative() {
		term += " ..."
	}
	if !arg.Required {
		term = "[" + term + "]"
	}
	return term
}

// references names the pages around a command: the one above, those below, or those
// beside it in the same group.
func (r *roff) references(n *kong.Node) {
	var names []string
	for up := n.Parent; up != nil; up = up.Parent {
		names = append(names, title(up))
	}
	around := n
	if n.Leaf() {
		around = n.Parent
	}
	if around.Parent != nil { // not all that there are
		for _, c := range nodes(around) {
			if c != n {
				names = append(names, title(c))
			}
		}
	}
	slices.Sort(names)
	for i, name := range names {
		end := " (1),"
		if i == len(names)-1 {
			end = " (1)"
		}
		r.line(".BR " + escape(name) + end)
	}
}
