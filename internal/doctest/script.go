package doctest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Script is all blocks of a page as one script for bash, but for those that are not
// run. Before the output of each stands a mark, which [Outputs] knows.
func Script(blocks []Block) string {
	var b strings.Builder
	b.WriteString(preamble)
	for i, block := range blocks {
		switch {
		case block.NotRun != "":
		case block.Until != "":
			fmt.Fprintf(&b, "mark %d\nrunning() {\n%s}\nuntil_shown %s\n", i, block.Commands, quote(block.Until))
		default:
			fmt.Fprintf(&b, "mark %d\n%s", i, block.Commands)
		}
	}
	b.WriteString("mark end\n")
	return b.String()
}

// The functions of a page's script. Hidden commands may call stop, which ends what the
// block before that ran in the background, as Ctrl-C does.
const preamble = `mark() { printf '\n\036%s\036\n' "$1"; }
until_shown() {
  mark_output=$(mktemp)
  running > "$mark_output" 2>&1 &
  mark_running=$!
  until grep -qF -- "$1" "$mark_output"; do
    kill -0 $mark_running 2> /dev/null || { cat "$mark_output"; echo "ended before it said: $1"; return 1; }
    sleep 0.1
  done
  cat "$mark_output"
}
stop() {
  pkill -TERM -P $mark_running || true
  wait $mark_running || true
}
`

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

var mark = regexp.MustCompile("\n\x1e(\\d+|end)\x1e\n")

// Outputs parts what a script has written by blocks. It tells as well whether the
// script came to its end.
func Outputs(out string) (byBlock map[int]string, ended bool) {
	byBlock = make(map[int]string)
	marks := mark.FindAllStringSubmatchIndex(out, -1)
	for i, m := range marks {
		name, end := out[m[2]:m[3]], len(out)
		if i+1 < len(marks) {
			end = marks[i+1][0]
		}
		if name == "end" {
			return byBlock, true
		}
		n, err := strconv.Atoi(name)
		if err != nil {
			continue // a mark that no script makes
		}
		byBlock[n] = out[m[1]:end]
	}
	return byBlock, false
}
