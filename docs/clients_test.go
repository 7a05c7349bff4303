package docs_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestClientsPageHasEveryCall holds the table of docs/clients.md against the calls that
// each client has: none is missing there, and none is there that is not.
func TestClientsPageHasEveryCall(t *testing.T) {
	for _, client := range []struct {
		column int
		has    []string
	}{{2, goCalls(t)}, {3, javaScriptCalls(t)}} {
		if diff := cmp.Diff(client.has, tableCalls(t, client.column)); diff != "" {
			t.Errorf("docs/clients.md, column %d (-the client, +the page):\n%s", client.column, diff)
		}
	}
	cli := read(t, filepath.Join(root, "docs", "cli.md"))
	for _, command := range tableCalls(t, 4) {
		if !regexp.MustCompile("(?m)(^|`)" + command + "( |`|$)").MatchString(cli) {
			t.Errorf("docs/clients.md has %q, and docs/cli.md has not", command)
		}
	}
}

// tableCalls are the names in one column of the table, sorted, each once.
func tableCalls(t *testing.T, column int) []string {
	t.Helper()
	_, table, found := strings.Cut(read(t, filepath.Join(root, "docs", "clients.md")), "\n## Call by call\n")
	if !found {
		t.Fatal("docs/clients.md has no table of calls")
	}
	table, _, _ = strings.Cut(table, "\n## ")
	var names []string
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) != 6 {
			continue
		}
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[column], -1) {
			names = append(names, name[1])
		}
	}
	return once(names)
}

func goCalls(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "client", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, m := range regexp.MustCompile(`(?m)^func \(\w+ \*(KV|Client)\) ([A-Z]\w*)\(`).FindAllStringSubmatch(read(t, file), -1) {
			names = append(names, m[1]+"."+m[2])
		}
	}
	return once(names)
}

// javaScriptCalls are those that the types declare, which the package's own tests hold
// against its code.
func javaScriptCalls(t *testing.T) []string {
	t.Helper()
	types := read(t, filepath.Join(root, "clients", "js", "src", "index.d.ts"))
	var names []string
	for start, name := range map[string]string{
		"export class Client {": "client", "export interface KV extends": "kv", "export interface KVNamespace<Key": "kv",
	} {
		_, body, found := strings.Cut(types, start)
		if !found {
			t.Fatalf("index.d.ts has no %q", start)
		}
		body, _, _ = strings.Cut(body, "\n}\n")
		for _, m := range regexp.MustCompile(`(?m)^  (\w+)(?:<[^(]*>)?\(`).FindAllStringSubmatch(body, -1) {
			if m[1] != "constructor" {
				names = append(names, name+"."+m[1])
			}
		}
	}
	return once(names)
}

// once is names in order, without those that are there twice.
func once(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}
