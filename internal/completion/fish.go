package completion

import (
	"fmt"
	"math"
	"strings"

	"github.com/alecthomas/kong"
)

// fishAt tells whether the cursor is behind a command, and, where bounds are given, behind
// so many arguments.
const fishAt = `function __NAME_at
    set -l path NAME
    set -l count 0
    set -l value 0
    for word in (commandline -opc)[2..-1]
        if test $value = 1
            set value 0
            continue
        end
        switch "$path $word"
            case %s
                set path "$path $word"
            case %s
                set value 1
            case '*'
                if not string match -q -- '-*' $word
                    set count (math $count + 1)
                end
        end
    end
    test "$path" = "$argv[1]"; or return 1
    test (count $argv) = 1; or test $count -ge $argv[2] -a $count -le $argv[3]
end

complete -c NAME -f
`

// Fish returns the script for fish.
func Fish(app *kong.Application) string {
	root := model(app)
	var commands, takes []string
	for _, c := range root.all() {
		if c != root {
			commands = append(commands, "'"+c.path+"'")
		}
		for _, f := range c.flags {
			if f.takes {
				takes = append(takes, quotedAll(c.path, f.names, " "))
			}
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# fish completes %[1]s by this. It is what \"%[1]s completion fish\" writes.\n\n", root.path)
	fmt.Fprintf(&b, strings.ReplaceAll(fishAt, "NAME", root.path), strings.Join(commands, " "), strings.Join(takes, " "))
	for _, c := range root.all() {
		fishCommand(&b, root.path, c)
	}
	return b.String()
}

// fishCommand writes what may follow a command.
func fishCommand(b *strings.Builder, program string, c *command) {
	at := fmt.Sprintf("complete -c %[1]s -n '__%[1]s_at \"%[2]s\"", program, c.path)
	for _, sub := range c.below {
		fmt.Fprintf(b, "%s' -a %s -d %s\n", at, sub.name(), fishQuoted(sub.about))
	}
	for _, f := range c.flags {
		names := ""
		for _, n := range f.names {
			long, isLong := strings.CutPrefix(n, "--")
			if isLong {
				names += " -l " + long
			} else {
				names += " -s " + strings.TrimPrefix(n, "-")
			}
		}
		fmt.Fprintf(b, "%s'%s%s -d %s\n", at, names, fishValue(f), fishQuoted(f.about))
	}
	for i, a := range c.args {
		last := i
		if a.repeats {
			last = math.MaxInt32
		}
		if from := fishFrom(a); from != "" {
			fmt.Fprintf(b, "%s %d %d' %s\n", at, i, last, from)
		}
	}
}

// fishValue says that a flag takes a value, and what it is chosen from.
func fishValue(f flag) string {
	if !f.takes {
		return ""
	}
	if f.value.kind == file {
		return " -r -F"
	}
	if from := fishFrom(f.value); from != "" {
		return " -x " + from
	}
	return " -x"
}

func fishFrom(v value) string {
	switch v.kind {
	case word:
		return "-a '" + strings.Join(v.words, " ") + "'"
	case file:
		return "-F"
	case directory:
		return "-a '(__fish_complete_directories)'"
	}
	return ""
}

func fishQuoted(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
}
