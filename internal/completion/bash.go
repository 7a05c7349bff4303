package completion

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// bashFunctions are what looks things up in the tables. They do with bash 3.2, which macOS
// has, and without the package bash-completion. Bash cuts words at =, too.
const bashFunctions = `
_NAME_reply() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do COMPREPLY+=("$line"); done
}

_NAME_words() { _NAME_reply < <(compgen -W "$1" -- "$2"); }

_NAME_value() {
    case $1 in
    *,*) _NAME_words "${1//,/ }" "$2" ;;
    FILE | DIR)
        compopt -o filenames 2> /dev/null
        if [[ $1 == DIR ]]; then _NAME_reply < <(compgen -d -- "$2"); else _NAME_reply < <(compgen -f -- "$2"); fi
        ;;
    esac
}

_NAME() {
    local cur=${COMP_WORDS[COMP_CWORD]} path=NAME flag='' ended='' kind='' word i n=0
    local commands flags takes args
    COMPREPLY=()
    _NAME_command "$path"
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $word == = ]]; then
            flag=${flag:-=}
        elif [[ $flag ]]; then
            flag=''
        elif [[ $word == -- && ! $ended ]]; then
            ended=1
        elif [[ $word == -?* && ! $ended ]]; then
            if [[ " $takes " == *" $word "* ]]; then flag=$word; fi
        elif [[ " $commands " == *" $word "* ]]; then
            path+=" $word"
            _NAME_command "$path"
        else
            n=$((n + 1))
        fi
    done
    if [[ $flag ]]; then
        if [[ $cur == = ]]; then cur=''; fi
        _NAME_flag "$path $flag"
        _NAME_value "$kind" "$cur"
    elif [[ $cur == -* && ! $ended ]]; then
        _NAME_words "$flags" "$cur"
    elif [[ $commands ]]; then
        _NAME_words "$commands" "$cur"
    else
        for word in $args; do
            if [[ $n == 0 || $word == *... ]]; then
                _NAME_value "${word%...}" "$cur"
                break
            fi
            n=$((n - 1))
        done
    fi
}

complete -F _NAME NAME
`

// Bash returns the script for bash.
func Bash(app *kong.Application) string {
	root := model(app)
	var b strings.Builder
	fmt.Fprintf(&b, "# bash completes %[1]s by this. It is what \"%[1]s completion bash\" writes.\n\n", root.path)
	fmt.Fprintf(&b, "_%s_command() {\n    commands='' flags='' takes='' args=''\n    case $1 in\n", root.path)
	for _, c := range root.all() {
		fmt.Fprintf(&b, "    '%s')%s ;;\n", c.path, bashCommand(c))
	}
	fmt.Fprintf(&b, "    esac\n}\n\n_%s_flag() {\n    case $1 in\n", root.path)
	for _, c := range root.all() {
		for _, f := range c.flags {
			if kind := bashKind(f.value); kind != bashAnything {
				fmt.Fprintf(&b, "    %s) kind=%s ;;\n", quotedAll(c.path, f.names, " | "), kind)
			}
		}
	}
	b.WriteString("    esac\n}\n")
	b.WriteString(strings.ReplaceAll(bashFunctions, "NAME", root.path))
	return b.String()
}

// bashCommand sets what may follow a command.
func bashCommand(c *command) string {
	var commands, flags, takes, args []string
	for _, b := range c.below {
		commands = append(commands, b.name())
	}
	for _, f := range c.flags {
		if flags = append(flags, f.names...); f.takes {
			takes = append(takes, f.names...)
		}
	}
	for _, a := range c.args {
		kind := bashKind(a)
		if a.repeats {
			kind += "..."
		}
		args = append(args, kind)
	}
	set := ""
	for _, v := range []struct {
		name  string
		words []string
	}{{"commands", commands}, {"flags", flags}, {"takes", takes}, {"args", args}} {
		if len(v.words) > 0 {
			set += fmt.Sprintf(" %s='%s'", v.name, strings.Join(v.words, " "))
		}
	}
	return set
}

const bashAnything = "-"

// bashKind is what _NAME_value takes: words end with a comma, so that one is known for
// a word.
func bashKind(v value) string {
	switch v.kind {
	case word:
		return strings.Join(v.words, ",") + ","
	case file:
		return "FILE"
	case directory:
		return "DIR"
	}
	return bashAnything
}

// quotedAll is each of the words behind a path, in quotes.
func quotedAll(path string, words []string, between string) string {
	var all []string
	for _, w := range words {
		all = append(all, "'"+path+" "+w+"'")
	}
	return strings.Join(all, between)
}
