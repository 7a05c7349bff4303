package packaging_test

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var dist = flag.String("dist", "", "the directory that goreleaser filled")

// TestRelease looks at what goreleaser made, if it is told where: "make release-snapshot".
func TestRelease(t *testing.T) {
	if *dist == "" {
		t.Skip("make release-snapshot makes a release, and has this test look at it")
	}
	t.Run("checksums", checksums)
	t.Run("archives", archives)
	t.Run("materials", materials)
	for _, deb := range made(t, "*.deb") {
		t.Run("contents", func(t *testing.T) { contents(t, deb) })
	}
	arch := strings.TrimSpace(run(t, "dpkg", "--print-architecture"))
	testPackage(t, made(t, "*_linux_"+arch+".deb")[0], ` commit [0-9a-f]{40}`)
}

// checksums cover every file that is published.
func checksums(t *testing.T) {
	sums := run(t, "sh", "-c", "sha256sum --check --strict *_SHA256SUMS")
	for _, pattern := range []string{"*.tar.gz", "*.deb", "*.cdx.json"} {
		for _, path := range made(t, pattern) {
			if !strings.Contains(sums, filepath.Base(path)+": OK\n") {
				t.Errorf("%s has no checksum", path)
			}
		}
	}
}

func archives(t *testing.T) {
	for _, path := range made(t, "*.tar.gz") {
		list := run(t, "tar", "-tzf", path)
		for _, want := range []string{"/godwit\n", "/LICENSE\n", "/README.md\n", "/man/man1/godwit.1\n", "/man/man1/godwit-token-create.1\n",
			"/completions/_godwit\n", "/completions/godwit.bash\n", "/completions/godwit.fish\n", "/systemd/godwit.service\n"} {
			if !strings.Contains(list, want) {
				t.Errorf("%s has no %s", path, strings.TrimSpace(want))
			}
		}
		binary := filepath.Join(t.TempDir(), "godwit")
		run(t, "sh", "-c", `tar -xzOf "$1" --wildcards '*/godwit' > "$2"`, "sh", path, binary)
		if made := run(t, "go", "version", "-m", binary); !regexp.MustCompile(`vcs.revision=[0-9a-f]{40}\n`).MatchString(made) {
			t.Errorf("the binary of %s knows no commit:\n%s", path, made)
		}
	}
}

// materials are what a binary was made of.
func materials(t *testing.T) {
	for _, path := range made(t, "*.cdx.json") {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var sbom struct {
			BOMFormat  string
			Components []struct{ Name, Version string }
		}
		if err := json.Unmarshal(b, &sbom); err != nil {
			t.Fatal(err)
		}
		names := ""
		for _, c := range sbom.Components {
			names += c.Name + "\n"
		}
		if sbom.BOMFormat != "CycloneDX" || !strings.Contains(names, "github.com/cockroachdb/pebble/v2\n") || strings.Contains(names, "porcupine") {
			t.Errorf("%s is %q, of:\n%s", path, sbom.BOMFormat, names)
		}
	}
}

// made are the files of a release that match.
func made(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(*dist, pattern))
	if err != nil || len(found) == 0 {
		t.Fatalf("there is no %s: %v", pattern, err)
	}
	return found
}

// run runs a command in the directory of the release, and returns what it said.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = *dist
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
