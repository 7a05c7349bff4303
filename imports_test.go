package godwit_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/godwitkv/godwit"

// layers are the packages from the top to the bottom. Each may import only those
// below it; packages of one layer do not know each other.
var layers = [][]string{
	{"cmd/godwit", "bench", "e2e", "e2e/olddata/write", "examples/world", "examples/cluster", "examples/flags", "examples/service", "examples/caddy", "examples/nginx", "internal/simulation"},
	{"internal/node", "internal/worker"},
	{"internal/worker/workerd"},
	{"internal/worker/bundle"},
	{"internal/worker/wrangler", "internal/worker/cache"},
	{"internal/api/cloudflare", "internal/api/binding", "internal/api/native", "internal/api/apitest", "internal/dashboard"},
	{"internal/api"},
	{"internal/central/jetstream/nats"},
	{"internal/central/jetstream/streamtest"},
	{"internal/backup"},
	{"internal/backup/repository"},
	{"replica", "internal/central/embedded", "internal/central/jetstream"},
	{"internal/central/gather", "internal/central/quota"},
	{"internal/edge"},
	{"internal/feed", "internal/watch", "internal/scrub"},
	{"internal/state"},
	{"internal/catalog", "internal/store/storetest"},
	{"internal/store"},
	{"internal/backup/place/placetest"},
	{"internal/trace/export"},
	{"internal/analytics", "internal/audit", "internal/blob", "internal/room", "internal/trace", "internal/wire", "internal/store/crypt"},
	{"", "internal/backup/place", "internal/delay", "internal/doctor", "internal/top", "internal/transfer"},
}

// leaves are for everyone and import nothing of the module.
var leaves = []string{"client", "docs", "bench/load", "bench/scale", "e2e/olddata", "examples/process", "packaging", "internal/certs", "internal/certtest", "internal/collectors", "internal/completion", "internal/doctest", "internal/durable", "internal/jsontext", "internal/logtest", "internal/manual", "internal/parts", "internal/pause", "internal/planted", "internal/porttest", "internal/probe", "internal/shell", "internal/steady"}

func TestImportsGoDown(t *testing.T) {
	rank := make(map[string]int)
	for i, layer := range layers {
		for _, pkg := range layer {
			rank[pkg] = i
		}
	}
	for _, leaf := range leaves {
		rank[leaf] = len(layers)
	}
	for pkg, imports := range moduleImports(t) {
		from, ok := rank[pkg]
		if !ok {
			t.Errorf("%q has no place in the order of packages", pkg)
			continue
		}
		for _, imp := range imports {
			if rank[imp] <= from {
				t.Errorf("%q imports %q, which is not below it", pkg, imp)
			}
		}
	}
}

// TestPackagesAreTold holds that the page on the architecture says what each package
// owns, but for those under one that it tells of.
func TestPackagesAreTold(t *testing.T) {
	page, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range moduleImports(t) {
		told := false
		for parts := strings.Split(pkg, "/"); len(parts) > 1; parts = parts[:len(parts)-1] {
			told = told || strings.Contains(string(page), "`"+strings.Join(parts, "/")+"`")
		}
		if strings.HasPrefix(pkg, "internal/") && !told {
			t.Errorf("%s is not told of", pkg)
		}
	}
}

// TestDomainAndClientStandAlone holds that they import the standard library
// alone.
func TestDomainAndClientStandAlone(t *testing.T) {
	out := goList(t, "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".", "./client")
	for _, pkg := range strings.Fields(out) {
		if pkg != module && pkg != module+"/client" {
			t.Errorf("the domain or the client depends on %s", pkg)
		}
	}
}

// TestOnlyTheStoreKnowsPebble holds that nothing else imports it.
func TestOnlyTheStoreKnowsPebble(t *testing.T) {
	for line := range strings.Lines(goList(t, "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "./...")) {
		pkg, imports, _ := strings.Cut(line, " ")
		if strings.Contains(imports, "github.com/cockroachdb/pebble") && !strings.HasPrefix(pkg, module+"/internal/store") {
			t.Errorf("%s imports Pebble", pkg)
		}
	}
}

// TestOnlyTheStreamKnowsNATS holds that nothing else imports the server or the
// client.
func TestOnlyTheStreamKnowsNATS(t *testing.T) {
	for line := range strings.Lines(goList(t, "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "./...")) {
		pkg, imports, _ := strings.Cut(line, " ")
		if strings.Contains(imports, "github.com/nats-io/") && pkg != module+"/internal/central/jetstream/nats" {
			t.Errorf("%s imports NATS", pkg)
		}
	}
}

// TestOpenAPIIsForTests holds that no program has the library that judges the native
// API's description.
func TestOpenAPIIsForTests(t *testing.T) {
	if deps := goList(t, "-deps", "./cmd/godwit"); strings.Contains(deps, "getkin/kin-openapi") {
		t.Error("cmd/godwit depends on kin-openapi")
	}
}

// moduleImports returns, for each package of the module, the packages of the
// module that it imports, without the module's path.
func moduleImports(t *testing.T) map[string][]string {
	t.Helper()
	found := make(map[string][]string)
	for line := range strings.Lines(goList(t, "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "./...")) {
		fields := strings.Fields(line)
		pkg := within(fields[0])
		found[pkg] = nil
		for _, imp := range fields[1:] {
			if imp == module || strings.HasPrefix(imp, module+"/") {
				found[pkg] = append(found[pkg], within(imp))
			}
		}
	}
	if len(found) < len(layers) {
		t.Fatalf("go list found only %d packages", len(found))
	}
	return found
}

func within(path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
}

func goList(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list"}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	return string(out)
}
