package packaging_test

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

var nfpm = flag.String("nfpm", "", "goreleaser's packer, to pack what is in bin/release")

// TestPackage packs the Debian package as goreleaser does, without the minutes that
// goreleaser takes, and looks at it: "make packaging".
func TestPackage(t *testing.T) {
	if *nfpm == "" {
		t.Skip("make packaging packs the package, and has this test look at it")
	}
	testPackage(t, pack(t, "1.2.3"), recorded(t))
}

// recorded is the commit that Go's build records here: none in a working tree that is linked
// to a clone's.
func recorded(t *testing.T) string {
	t.Helper()
	info, err := os.Stat("../.git")
	if err != nil {
		t.Fatal(err)
	}
	if !info.IsDir() {
		return ""
	}
	return ` commit [0-9a-f]{40}(\+changes)?`
}

// pack returns the file of a package of this machine's architecture.
func pack(t *testing.T, version string) string {
	t.Helper()
	dir := t.TempDir()
	config, target := filepath.Join(dir, "nfpm.json"), filepath.Join(dir, "godwit.deb")
	b, err := json.Marshal(packerConfig(t, version))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, b, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), *nfpm, "package", "--packager", "deb", "--config", config, "--target", target)
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("pack: %v\n%s", err, out)
	}
	return target
}

// packerConfig is what .goreleaser.yaml says of the package, in its packer's own words.
func packerConfig(t *testing.T, version string) map[string]any {
	t.Helper()
	config := readConfig(t).(map[string]any)["nfpms"].([]any)[0].(map[string]any)
	b, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	clear(config)
	dated := strings.ReplaceAll(string(b), "{{ .CommitDate }}", "2027-01-01T00:00:00Z")
	if err := json.Unmarshal([]byte(dated), &config); err != nil {
		t.Fatal(err)
	}
	binary := map[string]any{
		"src": "bin/release/godwit", "dst": filepath.Join(config["bindir"].(string), "godwit"),
		"file_info": map[string]any{"mode": 0o755},
	}
	config["contents"] = append(config["contents"].([]any), binary)
	config["name"], config["version"], config["arch"] = config["package_name"], version, runtime.GOARCH
	for _, key := range []string{"id", "package_name", "formats", "bindir"} {
		delete(config, key)
	}
	return config
}
