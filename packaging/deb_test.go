package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// testPackage holds a package to what it shall have, and do on a machine like this one.
// commit is what its program says, behind what it runs on, of what it was built from.
func testPackage(t *testing.T, deb, commit string) {
	t.Run("contents", func(t *testing.T) { contents(t, deb) })
	t.Run("installation", func(t *testing.T) { installation(t, deb, commit) })
	t.Run("service", func(t *testing.T) { service(t, deb) })
}

func contents(t *testing.T, deb string) {
	if conffiles := run(t, "dpkg-deb", "--info", deb, "conffiles"); strings.TrimSpace(conffiles) != "/etc/godwit/godwit.env" {
		t.Errorf("%s: conffiles are %q", deb, conffiles)
	}
	list := run(t, "dpkg-deb", "--contents", deb)
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
			t.Errorf("%s has no %s:\n%s", deb, want, list)
		}
	}
	if strings.Contains(list, "./var/") {
		t.Errorf("%s would own data", deb)
	}
}

// installation installs, upgrades, removes and purges the package as dpkg does where no
// systemd runs.
func installation(t *testing.T, deb, commit string) {
	layered(t, "install.sh", deb,
		`account godwit:x:\d+:\d+:godwit, a key-value store:/var/lib/godwit:/usr/sbin/nologin`,
		`settings 600 root`,
		`version godwit \S+ go\S+ linux/\S+`+commit,
		`page /usr/share/man/man1/godwit-serve\.1\.gz`,
		`differs `,
		`fsck done`,
		`kept GODWIT_LOCATION=lhr`,
		`removed .*'/usr/bin/godwit': No such file.*godwit\.env `,
		`purged .*'/etc/godwit': No such file.* /var/lib/godwit/FORMAT `,
	)
}

// service has a systemd start, start again, replace, stop and lose the package's service.
func service(t *testing.T, deb string) {
	layered(t, "boot.sh", deb,
		`installed disabled inactive`,
		`value flies far`,
		`process godwit CapEff: 0000000000000000 NoNewPrivs: 1 Seccomp: 2`,
		`directory 700 godwit`,
		`reloaded 0 active flies far`,
		`killed flies far`,
		`upgraded enabled active next flies far`,
		`stopped inactive success /var/lib/godwit/CLOSED`,
		`left inactive`,
		`secret 0`,
		`removed inactive .*'/etc/systemd/system/\*/godwit\.service': No such file.* /etc/godwit/godwit\.env .*`,
		`purged not-found .*'/etc/godwit': No such file.* /var/lib/godwit/FORMAT  godwit:.*`,
	)
}

// layered runs a script of testdata with a package, in a mount namespace of its own where the
// script lays a directory over the machine's disk, and in a control group of its own: it
// leaves nothing behind, however it ends. What it says has these lines.
func layered(t *testing.T, script, deb string, lines ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can install a package")
	}
	script, err := filepath.Abs(filepath.Join("testdata", script))
	if err != nil {
		t.Fatal(err)
	}
	said := run(t, "unshare", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child",
		"sh", script, deb, t.TempDir(), controlGroup(t))
	for _, want := range lines {
		if !regexp.MustCompile(`(?m)^== ` + want + `$`).MatchString(said) {
			t.Errorf("nothing says %q:\n%s", want, said)
		}
	}
}

// controlGroup makes a control group for processes that end before the test does.
func controlGroup(t *testing.T) string {
	t.Helper()
	mounted := strings.Fields(run(t, "findmnt", "--noheadings", "--output", "TARGET", "--types", "cgroup2"))
	dir, err := os.MkdirTemp(mounted[0], "godwit-test-")
	if err != nil {
		t.Fatalf("make a control group: %v", err)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("find", dir, "-depth", "-type", "d", "-delete").CombinedOutput(); err != nil {
			t.Errorf("remove a control group: %v\n%s", err, out)
		}
	})
	return dir
}
