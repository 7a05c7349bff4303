// Package docs_test holds the repository's pages to what is true: every link
// leads somewhere, every metric and every flag is described, and every test
// that a page names is there.
package docs_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit/internal/central/jetstream"
	"github.com/godwitkv/godwit/internal/central/jetstream/streamtest"
	"github.com/godwitkv/godwit/internal/node"
	"github.com/godwitkv/godwit/internal/store"
)

const root = ".."

// pages returns the text of every page that git keeps or would keep, by path.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := make(map[string]string)
	walk(t, func(path string) {
		if filepath.Ext(path) == ".md" {
			found[path] = read(t, path)
		}
	})
	if len(found) < 5 {
		t.Fatalf("only %d pages found: nothing is tested", len(found))
	}
	return found
}

// walk calls fn for each file of the repository, but for what was installed or
// written by a run.
func walk(t *testing.T, fn func(path string)) {
	t.Helper()
	skip := map[string]bool{"node_modules": true, ".git": true, "bin": true, "godwit-data": true}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && skip[d.Name()]:
			return filepath.SkipDir
		case !d.IsDir():
			fn(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	fence   = regexp.MustCompile("(?ms)^```.*?^```$")
)

// TestLinks follows every relative link, to a file and to a heading in it.
func TestLinks(t *testing.T) {
	all := pages(t)
	for path, text := range all {
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			file, fragment, _ := strings.Cut(m[1], "#")
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", path, m[1])
			} else if fragment != "" && !anchors(all[target])[fragment] {
				t.Errorf("%s: %s has no heading %q", path, target, fragment)
			}
		}
	}
}

// anchors are the fragments that a page's headings make.
func anchors(text string) map[string]bool {
	found := make(map[string]bool)
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case strings.ContainsRune("`.,:;!?'\"()/&*+", r):
				return -1
			}
			return r
		}, strings.ToLower(m[1]))
		found[name] = true
	}
	return found
}

var (
	metricName = regexp.MustCompile("`(godwit_[a-z_]+)`")
	described  = regexp.MustCompile(`fqName: "(godwit_[^"]+)"`)
)

// TestMetricsAreDescribed holds the list of metrics against what a node
// registers.
func TestMetricsAreDescribed(t *testing.T) {
	listed := make(map[string]bool)
	for _, m := range metricName.FindAllStringSubmatch(read(t, "metrics.md"), -1) {
		listed[m[1]] = true
	}
	registered := registeredMetrics(t)
	for name := range registered {
		if !listed[name] {
			t.Errorf("%s is not in metrics.md", name)
		}
	}
	for name := range listed {
		if !registered[name] {
			t.Errorf("%s is in metrics.md, and no node has it", name)
		}
	}
}

// registeredMetrics are those of a central node, of an edge and of a member of a
// cluster, whether they have a value yet or not.
func registeredMetrics(t *testing.T) map[string]bool {
	t.Helper()
	found := make(map[string]bool)
	for _, upstreams := range [][]string{nil, {"http://127.0.0.1:1"}} {
		cfg := node.Config{
			Dir: "data", FS: store.NewMemFS(), RootToken: "root-token-of-the-tests",
			Listen: "127.0.0.1:0", BindingListen: "127.0.0.1:0", Metrics: prometheus.NewRegistry(),
			AuditLog: filepath.Join(t.TempDir(), "audit.log"),
		}
		if cfg.Upstreams = upstreams; upstreams != nil {
			cfg.UpstreamToken = "a-token-of-the-tests"
		}
		n, err := node.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		addMetrics(found, cfg.Metrics)
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
	addMetrics(found, memberMetrics(t))
	if len(found) < 10 {
		t.Fatalf("nodes register %d metrics: nothing is tested", len(found))
	}
	return found
}

// memberMetrics are those of a central node's log that is one of several.
func memberMetrics(t *testing.T) *prometheus.Registry {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Dir: "data", FS: store.NewMemFS(), Follower: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	registry := prometheus.NewRegistry()
	m, err := jetstream.Open(t.Context(), jetstream.Config{
		Store: s, Stream: streamtest.NewLog(1, time.Now).Stream(), Registry: streamtest.NewRegistry(),
		Self: jetstream.MemberInfo{Name: "n1"}, Now: time.Now, Metrics: registry,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return registry
}

func addMetrics(found map[string]bool, registry *prometheus.Registry) {
	descs := make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		registry.Describe(descs)
	}()
	for d := range descs {
		if m := described.FindStringSubmatch(d.String()); m != nil {
			found[m[1]] = true
		}
	}
}

var fileName = regexp.MustCompile(`(?m)^  ([A-Za-z-]+)/?\s`)

// TestFilesAreDescribed holds the picture of a data directory against one that a
// node has left.
func TestFilesAreDescribed(t *testing.T) {
	_, text, _ := strings.Cut(read(t, "architecture.md"), "\ngodwit-data/\n")
	text, _, _ = strings.Cut(text, "```")
	var described []string
	for _, m := range fileName.FindAllStringSubmatch(text, -1) {
		described = append(described, m[1])
	}
	dir := t.TempDir()
	n, err := node.Open(t.Context(), node.Config{Dir: dir, Listen: "127.0.0.1:0", BindingListen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range files {
		found = append(found, f.Name())
	}
	slices.Sort(described)
	if diff := cmp.Diff(found, described); diff != "" {
		t.Errorf("architecture.md describes other files than a node leaves (-found +described):\n%s", diff)
	}
}

var flagName = regexp.MustCompile(`(?m)^\s+(?:-[a-z], )?--([a-z-]+)`)

// TestFlagsAreDescribed holds the pages against the help of the commands that run
// something.
func TestFlagsAreDescribed(t *testing.T) {
	for command, pages := range map[string][]string{"serve": {"operations.md", "cli.md"}, "worker": {"worker.md"}} {
		for _, page := range pages {
			text := read(t, page)
			for name := range flags(t, command) {
				if !regexp.MustCompile("`--" + name + "[ `]").MatchString(text) {
					t.Errorf("%s does not tell of --%s", page, name)
				}
			}
		}
	}
}

// flags are those that a command's help names.
func flags(t *testing.T, command string) map[string]bool {
	t.Helper()
	help, err := exec.CommandContext(t.Context(), "go", "run", "../cmd/godwit", command, "--help").Output()
	if err != nil {
		t.Fatalf("ask for help: %v", err)
	}
	found := make(map[string]bool)
	for _, m := range flagName.FindAllStringSubmatch(string(help), -1) {
		found[m[1]] = true
	}
	delete(found, "help")
	if command != "serve" {
		delete(found, "version") // of all commands
	}
	if len(found) < 10 {
		t.Fatalf("the help names %d flags: nothing is tested\n%s", len(found), help)
	}
	return found
}

var (
	packagedFlag     = regexp.MustCompile(`"?--([a-z-]+)"?[ ,\]]`)
	packagedVariable = regexp.MustCompile(`\bGODWIT_([A-Z_]+)\b`)
)

// TestPackagingKnowsTheFlags holds that what servers are set up with gives godwit no flag
// and no variable which there is not.
func TestPackagingKnowsTheFlags(t *testing.T) {
	known := flags(t, "serve")
	for name := range flags(t, "worker") {
		known[name] = true
	}
	seen := 0
	for _, path := range []string{"../packaging/systemd/godwit.service", "../packaging/systemd/godwit.env", "../packaging/docker/release.Dockerfile", "../packaging/docker/Dockerfile", "../packaging/docker/compose.yaml"} {
		for line := range strings.Lines(read(t, path)) {
			var names []string
			if strings.Contains(line, `"serve"`) || strings.Contains(line, `"worker"`) || strings.Contains(line, "godwit serve") {
				for _, m := range packagedFlag.FindAllStringSubmatch(line, -1) {
					names = append(names, m[1])
				}
			}
			for _, m := range packagedVariable.FindAllStringSubmatch(line, -1) {
				names = append(names, strings.ReplaceAll(strings.ToLower(m[1]), "_", "-"))
			}
			for _, name := range names {
				if seen++; !known[name] {
					t.Errorf("%s: there is no --%s", path, name)
				}
			}
		}
	}
	if seen < 10 {
		t.Errorf("%d flags were found: nothing is tested", seen)
	}
}

var (
	versionRow = regexp.MustCompile(`(?m)^\| [^|]+ \| (\d+) \| (?:from 1 on|(\d+) alone) \|`)
	helloRow   = regexp.MustCompile("(?m)^- `version` is (\\d+)")
)

// TestUpgradePage holds the versions of formats to the code; that of the feed to its own
// page, which is held to the code.
func TestUpgradePage(t *testing.T) {
	var said []string
	for _, m := range versionRow.FindAllStringSubmatch(read(t, "upgrade.md"), -1) {
		said = append(said, m[1]+m[2])
	}
	hello := helloRow.FindStringSubmatch(read(t, "feed.md"))
	if hello == nil {
		t.Fatal("feed.md does not say its version")
	}
	want := []string{strconv.Itoa(store.FormatVersion), strconv.Itoa(jetstream.LastFormat), hello[1] + hello[1]}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("upgrade.md names other versions (-code +page):\n%s", diff)
	}
}

var (
	testName = regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z][A-Za-z0-9]*)`")
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)[A-Z][A-Za-z0-9]*)\(`)
)

// TestNamedTestsExist holds that a test which a page relies on is there.
func TestNamedTestsExist(t *testing.T) {
	tests := make(map[string]bool)
	walk(t, func(path string) {
		if !strings.HasSuffix(path, "_test.go") {
			return
		}
		for _, m := range testFunc.FindAllStringSubmatch(read(t, path), -1) {
			tests[m[1]] = true
		}
	})
	for path, text := range pages(t) {
		for _, m := range testName.FindAllStringSubmatch(text, -1) {
			if !tests[m[1]] {
				t.Errorf("%s names %s, which there is not", path, m[1])
			}
		}
	}
}
