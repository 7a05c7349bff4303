package completion_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/godwitkv/godwit/internal/completion"
)

// The scripts of the whole program are tested in cmd/godwit. This one has what a help
// text must not do to a script.
type grammar struct {
	Loud   bool   `help:"It's \"loud\": [x] \\ $(touch ran) ;touch ran; %s" short:"l"`
	Secret string `hidden:""`

	Fly struct {
		Far struct {
			Where string   `arg:"" help:"Where's that?" enum:"alaska,tasmania"`
			Logs  []string `arg:"" optional:"" placeholder:"FILE"`
			Via   []string `help:"It's [on: the] way." placeholder:"NAME"`
		} `cmd:"" help:"It's $(touch ran): a \"far\" [way] \\."`
	} `cmd:"" help:"Fly."`
	Moult struct{} `cmd:"" hidden:""`
}

func scripts(t *testing.T) map[string]string {
	t.Helper()
	k, err := kong.New(&grammar{}, kong.Name("bird"))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"bash": completion.Bash(k.Model), "zsh": completion.Zsh(k.Model), "fish": completion.Fish(k.Model)}
}

func TestTextOfTheHelpIsText(t *testing.T) {
	for shell, script := range scripts(t) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "script"), []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
		ask := map[string][]string{
			"bash": {"--norc", "-c", `source ./script; for w in '' --; do COMP_WORDS=(bird $w); [ $w ] || COMP_WORDS+=(''); COMP_CWORD=1; _bird; echo "${COMPREPLY[@]}"; done
				COMP_WORDS=(bird fly far t); COMP_CWORD=3; _bird; echo "${COMPREPLY[@]}"`},
			"zsh":  {"-f", "-c", `_arguments() { print -rl -- "$@"; state=command; }; _describe() { print -rl -- "$commands[@]"; }; compdef() {}; source ./script; _bird; _bird_fly; _bird_fly_far`},
			"fish": {"--no-config", "-c", `source script; for l in 'bird ' 'bird -' 'bird fly ' 'bird fly far t'; complete -C $l; end`},
		}[shell]
		cmd := exec.CommandContext(t.Context(), shell, ask...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", shell, err, out)
		}
		for _, want := range []string{"fly", "--loud", "tasmania"} {
			if !strings.Contains(string(out), want) {
				t.Errorf("%s does not offer %s:\n%s", shell, want, out)
			}
		}
		if strings.Contains(script, "moult") || strings.Contains(script, "secret") {
			t.Errorf("%s completes what is hidden", shell)
		}
		if _, err := os.Stat(filepath.Join(dir, "ran")); err == nil {
			t.Errorf("%s carried out what a help text says", shell)
		}
	}
}

// TestFlagsAreOfferedOnce holds what zsh is told: a flag excludes its other name, and
// itself unless it may be given again.
func TestFlagsAreOfferedOnce(t *testing.T) {
	script := scripts(t)["zsh"]
	for _, want := range []string{
		`'(--loud -l)--loud[It'\''s "loud"\: \[x\] \\ $(touch ran) ;touch ran; %s]'`,
		`'*--via=[It'\''s \[on\: the\] way.]:via: '`,
		`'1:where:(alaska tasmania)'`,
		`'*:logs:_files'`,
	} {
		if !strings.Contains(script, want) {
			t.Errorf("the script has no %s:\n%s", want, script)
		}
	}
}
