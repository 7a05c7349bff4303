package docs_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/internal/doctest"
)

// TestCommandsThatNobodyRuns holds the list of commands that pages show and no test runs
// against the pages. All others are run by TestPages in e2e.
func TestCommandsThatNobodyRuns(t *testing.T) {
	all, err := doctest.Pages(root)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("Commands of the pages that no test runs, and why. go test ./docs -run TestCommandsThatNobodyRuns -rewrite\n")
	run := 0
	for _, page := range all {
		for _, block := range page.Blocks {
			first, _, _ := strings.Cut(block.Commands, "\n")
			if block.NotRun != "" {
				fmt.Fprintf(&b, "\n%s: %s\n\t%s\n", page.Path, first, block.NotRun)
			} else if !block.Hidden {
				run++
			}
		}
	}
	if run < 50 {
		t.Errorf("%d blocks of commands are run: nothing is tested", run)
	}
	const list = "testdata/not-run.txt"
	if *rewrite {
		if err := os.WriteFile(list, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(read(t, list), b.String()); diff != "" {
		t.Errorf("%s is not what pages say (-is +should be):\n%s", list, diff)
	}
}

var (
	synopsis     = regexp.MustCompile("(?ms)^```synopsis\n(.*?)^```$")
	synopsisHead = regexp.MustCompile(`^godwit((?: [a-z]+)+)`)
	synopsisFlag = regexp.MustCompile(`--([a-z-]+)`)
)

// TestSynopses holds that commands have the flags which their synopses name.
func TestSynopses(t *testing.T) {
	godwit := filepath.Join(t.TempDir(), "godwit")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", godwit, "../cmd/godwit").CombinedOutput(); err != nil {
		t.Fatalf("build godwit: %v\n%s", err, out)
	}
	known := make(map[string]map[string]bool)
	flagsOf := func(command string) map[string]bool {
		if known[command] == nil {
			known[command] = helpedFlags(t, godwit, strings.Fields(command))
		}
		return known[command]
	}
	seen := 0
	for _, page := range []string{"cli.md", "transfer.md"} {
		for _, m := range synopsis.FindAllStringSubmatch(read(t, page), -1) {
			command := ""
			for line := range strings.Lines(m[1]) {
				if head := synopsisHead.FindStringSubmatch(line); head != nil {
					command = strings.TrimSpace(head[1])
				}
				for _, f := range synopsisFlag.FindAllStringSubmatch(line, -1) {
					if seen++; !flagsOf(command)[f[1]] {
						t.Errorf("%s: godwit %s has no --%s", page, command, f[1])
					}
				}
			}
		}
	}
	if seen < 50 {
		t.Errorf("%d flags were found: nothing is tested", seen)
	}
}

// helpedFlags are those that the help of a command names.
func helpedFlags(t *testing.T, godwit string, command []string) map[string]bool {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), godwit, append(command, "--help")...).Output()
	if err != nil {
		t.Fatalf("godwit %s --help: %v", strings.Join(command, " "), err)
	}
	found := make(map[string]bool)
	for _, m := range flagName.FindAllStringSubmatch(string(out), -1) {
		found[m[1]] = true
	}
	return found
}

var rewrite = flag.Bool("rewrite", false, "write the pages anew that tests make")
