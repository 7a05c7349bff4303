package dashboard

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/godwitkv/godwit"
)

// maxCommandBytes bounds a command: values beyond are for the page of their key.
const maxCommandBytes = 64 << 10

// command is one of the console, parsed.
type command struct {
	verb  *verb
	args  []string
	flags map[string]string // by name; "1" for one that takes no value
}

// verb is something that the console can do.
type verb struct {
	Name   string
	Args   []string // what they are called
	Flags  []flag
	About  string
	writes bool
	hidden int // arguments from this one on are values, which no history keeps; 0: none
}

// flag is an option of a verb.
type flag struct {
	Name  string
	Value string // what it is called; "": it takes none
}

// verbs are all there are, as users of the command line know them.
func verbs() []verb {
	prefix, limit := flag{"prefix", "TEXT"}, flag{"limit", "N"}
	return []verb{
		{Name: "get", Args: []string{"KEY"}, About: "the value"},
		{Name: "getWithMetadata", Args: []string{"KEY"}, About: "the value, and all that is known of the key"},
		{
			Name: "put", Args: []string{"KEY", "VALUE"}, writes: true, hidden: 1,
			Flags: []flag{{"metadata", "JSON"}, {"ttl", "SECONDS"}, {"expiration", "UNIX-SECONDS"}}, About: "write the key",
		},
		{Name: "delete", Args: []string{"KEY"}, writes: true, About: "delete the key"},
		{
			Name: "list", Flags: []flag{prefix, {"start", "KEY"}, {"end", "KEY"}, limit, {"reverse", ""}},
			About: "keys in order, 20 unless --limit says else, up to 1000",
		},
		{Name: "count", Flags: []flag{prefix}, About: "how many keys, and bytes"},
		{Name: "versions", Args: []string{"KEY"}, Flags: []flag{limit}, About: "what the key held, where the namespace keeps a history"},
		{Name: "undelete", Args: []string{"KEY"}, writes: true, About: "put back what a deleted key held last"},
		{Name: "help", About: "this list"},
	}
}

// Usage is how the verb is written.
func (v *verb) Usage() string {
	var b strings.Builder
	b.WriteString(v.Name)
	for _, a := range v.Args {
		b.WriteString(" " + a)
	}
	for _, f := range v.Flags {
		b.WriteString(" [--" + f.Name)
		if f.Value != "" {
			b.WriteString(" " + f.Value)
		}
		b.WriteString("]")
	}
	return b.String()
}

func badCommand(format string, args ...any) error {
	return godwit.Errorf(godwit.CodeInvalidRequest, format, args...)
}

// parseCommand reads a command. Its grammar:
//
//	command = verb {word | "--" flag [("=" | space) word]}, in any order; behind "--" alone all are words
//	word    = {plain | "'" any but "'" "'" | JSON string}, which stand side by side
//	plain   = any but white space and quotes
//
// The verb is one of verbs, in any case. Error: CodeInvalidRequest.
func parseCommand(text string) (*command, error) {
	if len(text) > maxCommandBytes || !utf8.ValidString(text) {
		return nil, badCommand("A command is UTF-8 text of up to %d KiB. Larger values are for the page of their key.", maxCommandBytes>>10)
	}
	words, err := splitWords(text)
	if err != nil {
		return nil, err
	}
	if len(words) == 0 {
		return nil, badCommand("Type a command, as: get KEY. The command help shows all.")
	}
	all := verbs()
	i := slices.IndexFunc(all, func(v verb) bool { return !words[0].quoted && strings.EqualFold(v.Name, words[0].text) })
	if i < 0 {
		return nil, badCommand("There is no command %q. The command help shows all.", clip(40, words[0].text))
	}
	c := &command{verb: &all[i], flags: make(map[string]string)}
	if err := c.read(words[1:]); err != nil {
		return nil, err
	}
	if len(c.args) != len(c.verb.Args) {
		return nil, badCommand("Write it as: %s. A key or value with spaces is put in quotes.", c.verb.Usage())
	}
	return c, nil
}

// read takes a command's words behind its verb.
func (c *command) read(words []word) error {
	for i := 0; i < len(words); i++ {
		w := words[i]
		if w.quoted || !strings.HasPrefix(w.text, "--") {
			c.args = append(c.args, w.text)
			continue
		}
		if w.text == "--" {
			for _, rest := range words[i+1:] {
				c.args = append(c.args, rest.text)
			}
			return nil
		}
		name, value, given := strings.Cut(w.text[2:], "=")
		at := slices.IndexFunc(c.verb.Flags, func(f flag) bool { return f.Name == name })
		_, twice := c.flags[name]
		switch {
		case at < 0:
			return badCommand("%s has no --%s. Write it as: %s", c.verb.Name, clip(40, name), c.verb.Usage())
		case twice:
			return badCommand("--%s is given twice.", name)
		case c.verb.Flags[at].Value == "" && given:
			return badCommand("--%s takes no value.", name)
		case c.verb.Flags[at].Value == "":
			value = "1"
		case !given && i+1 == len(words):
			return badCommand("--%s wants %s behind it.", name, c.verb.Flags[at].Value)
		case !given:
			i++
			value = words[i].text
		}
		c.flags[name] = value
	}
	return nil
}

// String is the command as a history keeps it: without a value, and what stands beside
// one.
func (c *command) String() string {
	var b strings.Builder
	b.WriteString(c.verb.Name)
	for i, a := range c.args {
		if c.verb.hidden > 0 && i >= c.verb.hidden {
			return b.String()
		}
		b.WriteString(" " + quoteWord(a))
	}
	for _, f := range c.verb.Flags {
		if value, ok := c.flags[f.Name]; ok {
			b.WriteString(" --" + f.Name)
			if f.Value != "" {
				b.WriteString("=" + quoteWord(value))
			}
		}
	}
	return b.String()
}

// word is a part of a command.
type word struct {
	text   string
	quoted bool // it began with a quote: it is no flag
}

// splitWords splits a command at white space outside of quotes. Error:
// CodeInvalidRequest.
func splitWords(text string) (words []word, err error) {
	var b strings.Builder
	open, quoted := false, false
	for len(text) > 0 {
		var part string
		switch c := text[0]; {
		case isSpace(c):
			if open {
				words = append(words, word{b.String(), quoted})
				b.Reset()
				open, quoted = false, false
			}
			text = text[1:]
			continue
		case c == '\'' || c == '"':
			quoted = quoted || !open
			if part, text, err = unquote(text); err != nil {
				return nil, err
			}
		default:
			end := strings.IndexAny(text, " \t\r\n'\"")
			if end < 0 {
				end = len(text)
			}
			part, text = text[:end], text[end:]
		}
		open = true
		b.WriteString(part)
	}
	if open {
		words = append(words, word{b.String(), quoted})
	}
	return words, nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// unquote reads a quoted part at the beginning of a text, and returns what is behind.
func unquote(text string) (part, rest string, err error) {
	if text[0] == '\'' {
		end := strings.IndexByte(text[1:], '\'')
		if end < 0 {
			return "", "", badCommand("A quote ' is not closed.")
		}
		return text[1 : 1+end], text[2+end:], nil
	}
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			// Line ends may stand in it as they are.
			inner := strings.NewReplacer("\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(text[:i+1])
			if json.Unmarshal([]byte(inner), &part) != nil {
				return "", "", badCommand(`What stands in "quotes" is written as in JSON: \" is a quote, \\ a backslash. In 'quotes' all stands as it is.`)
			}
			return part, text[i+1:], nil
		}
	}
	return "", "", badCommand("A quote \" is not closed.")
}

// quoteWord writes a word so that it is read as it is.
func quoteWord(s string) string {
	plain := s != "" && !strings.HasPrefix(s, "--") && !strings.ContainsFunc(s, func(r rune) bool {
		return r == '\'' || r == '"' || r == '\\' || r == ' ' || invisible(r)
	})
	if plain {
		return s
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // such a string always encodes
	return strings.TrimSuffix(b.String(), "\n")
}
