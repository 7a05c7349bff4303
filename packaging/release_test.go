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
	t.Run("package", debContents)
	t.Run("installation", installation)
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

func debContents(t *testing.T) {
	for _, path := range made(t, "*.deb") {
		if conffiles := run(t, "dpkg-deb", "--info", path, "conffiles"); strings.TrimSpace(conffiles) != "/etc/godwit/godwit.env" {
			t.Errorf("%s: conffiles are %q", path, conffiles)
		}
		list := run(t, "dpkg-deb", "--contents", path)
		for _, want := range []string{
			`-rwxr-xr-x root/root .* \./usr/bin/godwit`,
			`-rw------- root/root .* \./etc/godwit/godwit\.env`,
			`-rw-r--r-- root/root .* \./usr/lib/systemd/system/godwit\.service`,
			`-rw-r--r-- root/root .* \./usr/lib/sysusers\.d/godwit\.conf`,
			`-rw-r--r-- root/root .* \./usr/share/man/man1/godwit-token-create\.1\.gz`,
			`-rw-r--r-- root/root .* \./usr/share/bash-completion/completions/godwit`,
			`-rw-r--r-- root/root .* \./usr/share/zsh/vendor-completions/_godwit`,
			`-rw-r--r-- root/root .* \./usr/share/fish/vendor_completions\.d/godwit\.fish`,
			`-rw-r--r-- root/root .* \./usr/share/doc/godwit/copyright`,
		} {
			if !regexp.MustCompile(`(?m)^` + want + `$`).MatchString(list) {
				t.Errorf("%s has no %s:\n%s", path, want, list)
			}
		}
		if strings.Contains(list, "./var/") {
			t.Errorf("%s would own data", path)
		}
	}
}

// installation installs, upgrades, removes and purges the package as dpkg does.
func installation(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can install a package")
	}
	deb := made(t, "*_linux_"+strings.TrimSpace(run(t, "dpkg", "--print-architecture"))+".deb")[0]
	script, err := filepath.Abs("testdata/install.sh")
	if err != nil {
		t.Fatal(err)
	}
	said := run(t, "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", script, deb, t.TempDir())
	for _, want := range []string{
		`account godwit:x:\d+:\d+:godwit, a key-value store:/var/lib/godwit:/usr/sbin/nologin`,
		`settings 600 root`,
		`version godwit \S+ go\S+ linux/\S+ commit [0-9a-f]{40}`,
		`page /usr/share/man/man1/godwit-serve\.1\.gz`,
		`differs `,
		`fsck done`,
		`kept GODWIT_LOCATION=lhr`,
		`removed .*'/usr/bin/godwit': No such file.*godwit\.env `,
		`purged .*'/etc/godwit': No such file.* /var/lib/godwit/FORMAT `,
	} {
		if !regexp.MustCompile(`(?m)^== ` + want + `$`).MatchString(said) {
			t.Errorf("nothing says %q:\n%s", want, said)
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
