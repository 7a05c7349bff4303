package completion

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// Zsh returns the script for zsh: a file _NAME of its $fpath, or to be read by eval.
func Zsh(app *kong.Application) string {
	root := model(app)
	var b strings.Builder
	fmt.Fprintf(&b, "#compdef %[1]s\n# zsh completes %[1]s by this. It is what \"%[1]s completion zsh\" writes.\n", root.path)
	for _, c := range root.all() {
		fmt.Fprintf(&b, "\n%s() {\n", zshFunction(c))
		if len(c.below) > 0 {
			zshGroup(&b, c)
		} else {
			zshLeaf(&b, c)
		}
		b.WriteString("}\n")
	}
	fmt.Fprintf(&b, "\nif [[ $funcstack[1] == _%[1]s ]]; then _%[1]s \"$@\"; else compdef _%[1]s %[1]s; fi\n", root.path)
	return b.String()
}

func zshFunction(c *command) string {
	return "_" + strings.NewReplacer(" ", "_", "-", "_").Replace(c.path)
}

// zshGroup writes a command that others stand behind.
func zshGroup(b *strings.Builder, c *command) {
	b.WriteString("  local curcontext=$curcontext state line\n  local -a commands\n  commands=(\n")
	for _, sub := range c.below {
		fmt.Fprintf(b, "    '%s:%s'\n", sub.name(), zshQuoted(sub.about))
	}
	b.WriteString("  )\n  _arguments -C \\\n")
	for _, f := range c.flags {
		fmt.Fprintf(b, "    %s \\\n", zshFlag(f))
	}
	b.WriteString("    '1: :->command' '*::: :->rest'\n  case $state in\n  command) _describe -t commands command commands ;;\n  rest)\n")
	b.WriteString("    words=($line[1] $words)\n    (( CURRENT += 1 ))\n    case $line[1] in\n")
	for _, sub := range c.below {
		fmt.Fprintf(b, "    %s) %s ;;\n", sub.name(), zshFunction(sub))
	}
	b.WriteString("    esac\n    ;;\n  esac\n")
}

// zshLeaf writes a command that takes arguments.
func zshLeaf(b *strings.Builder, c *command) {
	b.WriteString("  _arguments -S")
	for _, f := range c.flags {
		fmt.Fprintf(b, " \\\n    %s", zshFlag(f))
	}
	for i, a := range c.args {
		place := fmt.Sprint(i + 1)
		if a.repeats {
			place = "*"
		}
		fmt.Fprintf(b, " \\\n    '%s%s'", place, zshValue(a))
	}
	b.WriteByte('\n')
}

// zshFlag is a flag as _arguments takes it: its names exclude each other, and itself
// unless it may be given again.
func zshFlag(f flag) string {
	value := ""
	if f.takes {
		value = zshValue(f.value)
	}
	var specs []string
	for _, name := range f.names {
		before := "(" + strings.Join(f.names, " ") + ")"
		if f.repeats {
			before = "*"
		}
		if f.takes && strings.HasPrefix(name, "--") {
			name += "="
		}
		specs = append(specs, fmt.Sprintf("'%s%s[%s]%s'", before, name, zshBracketed(f.about), value))
	}
	return strings.Join(specs, " ")
}

// zshValue is what a value is chosen from.
func zshValue(v value) string {
	from := " "
	switch v.kind {
	case word:
		from = "(" + strings.Join(v.words, " ") + ")"
	case file:
		from = "_files"
	case directory:
		from = "_files -/"
	}
	return ":" + v.name + ":" + from
}

// zshQuoted is text between single quotes.
func zshQuoted(text string) string { return strings.ReplaceAll(text, "'", `'\''`) }

func zshBracketed(text string) string {
	return zshQuoted(strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`, `:`, `\:`).Replace(text))
}
