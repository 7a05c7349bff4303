package manual_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/internal/manual"
)

// The pages of the whole program are tested in cmd/godwit. This one has what a text must
// not do to a page.
type grammar struct {
	Secret string `hidden:""`

	Fly struct {
		Far struct {
			Height int      `required:"" short:"h" help:".so it's \\fIhigh\\fR ^ ~ '-' \"x\"" placeholder:"N"`
			Where  string   `arg:"" help:"'tis far."`
			Via    []string `arg:"" optional:"" help:"What's on the way."`
		} `cmd:"" help:".so far."`
		Back struct{} `cmd:"" help:"Come back."`
	} `cmd:"" help:"Fly."`
	Moult struct{} `cmd:"" hidden:""`
}

func pages(t *testing.T) []manual.Page {
	t.Helper()
	k, err := kong.New(&grammar{}, kong.Name("bird"), kong.NoDefaultHelp())
	if err != nil {
		t.Fatal(err)
	}
	k.Model.HelpFlag = &kong.Flag{Value: &kong.Value{Name: "help", Help: "Help.", Tag: &kong.Tag{}, Target: k.Model.Node.Flags[0].Target}, Hidden: true}
	return (&manual.Manual{
		App: k.Model, About: "a bird", Description: "It flies.\n\n.so it does.", ExitStatus: []string{"it flew", "it fell"},
		URL: "https://bird.example", Source: `bird "1"`, Date: "2026-01-02",
	}).Pages()
}

func TestThereIsAPageForEachCommand(t *testing.T) {
	var names []string
	for _, p := range pages(t) {
		names = append(names, p.Name)
	}
	if diff := cmp.Diff([]string{"bird.1", "bird-fly.1", "bird-fly-far.1", "bird-fly-back.1"}, names); diff != "" {
		t.Error(diff)
	}
}

const far = `BIRD-FLY-FAR(1)                              bird manual                             BIRD-FLY-FAR(1)

NAME
       bird-fly-far - .so far

SYNOPSIS
       bird fly far -h, --height=N [flags] where [via ...]

DESCRIPTION
       .so far.

ARGUMENTS
       where  'tis far.

       via    What's on the way.

OPTIONS
       -h, --height=N
              .so it's \fIhigh\fR ^ ~ '-' "x"

EXIT STATUS
       0 when it is done; bird(1) has the others.

SEE ALSO
       bird(1), bird-fly(1), bird-fly-back(1)

bird "1"                                     2026-01-02                              BIRD-FLY-FAR(1)
`

// TestTextIsShownAsItIs holds a page to what a reader sees.
func TestTextIsShownAsItIs(t *testing.T) {
	for _, p := range pages(t) {
		cmd := exec.CommandContext(t.Context(), "mandoc", "-T", "ascii", "-O", "width=100", "-W", "warning")
		cmd.Stdin = strings.NewReader(p.Text)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", p.Name, err, out)
		}
		if p.Name == "bird-fly-far.1" {
			if diff := cmp.Diff(far, plain(string(out))); diff != "" {
				t.Errorf("%s (-want +shown):\n%s", p.Name, diff)
			}
		}
	}
}

// plain takes away how a typewriter made letters bold.
func plain(text string) string {
	var b strings.Builder
	runes := []rune(text)
	for i := 0; i < len(runes); i++ {
		if i+2 < len(runes) && runes[i+1] == '\b' {
			i += 2
		}
		b.WriteRune(runes[i])
	}
	return b.String()
}
