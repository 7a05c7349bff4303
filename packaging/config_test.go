package packaging_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

// TestReleaseConfig holds .goreleaser.yaml to goreleaser's own schema: "goreleaser
// jsonschema" of the version in tools/release writes it. goreleaser itself takes minutes to
// build; "make release-snapshot" runs it.
func TestReleaseConfig(t *testing.T) {
	config := readConfig(t)
	f, err := os.Open("testdata/goreleaser.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	document, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(config); err != nil {
		t.Error(err)
	}
	config.(map[string]any)["archivs"] = []any{}
	if err := schema.Validate(config); err == nil {
		t.Error("the schema takes what there is not: nothing is tested")
	}
}

// readConfig reads the file as JSON has it.
func readConfig(t *testing.T) any {
	t.Helper()
	b, err := os.ReadFile("../.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var config any
	if err := yaml.Unmarshal(b, &config); err != nil {
		t.Fatal(err)
	}
	if b, err = json.Marshal(config); err != nil {
		t.Fatal(err)
	}
	config, err = jsonschema.UnmarshalJSON(strings.NewReader(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// TestReleaseHasItsFiles holds that every file which a release packs is in the repository,
// or is one that "make release-files" writes.
func TestReleaseHasItsFiles(t *testing.T) {
	seen := 0
	for _, src := range sources(readConfig(t)) {
		if seen++; strings.HasPrefix(src, "bin/release/") {
			continue
		}
		if found, err := filepath.Glob(filepath.Join("..", src)); err != nil || len(found) == 0 {
			t.Errorf("there is no %s: %v", src, err)
		}
	}
	if seen < 15 {
		t.Errorf("%d files were found: nothing is tested", seen)
	}
}

// sources are the files that a part of the configuration names.
func sources(part any) []string {
	var found []string
	switch part := part.(type) {
	case []any:
		for _, p := range part {
			found = append(found, sources(p)...)
		}
	case map[string]any:
		for key, p := range part {
			name, ok := p.(string)
			switch {
			case ok && (key == "src" || key == "dockerfile" || strings.HasPrefix(key, "post") || key == "preremove"):
				found = append(found, name)
			default:
				found = append(found, sources(p)...)
			}
		}
	}
	return found
}

// TestGoInstall holds that "go install" of a version works: it refuses a module with
// replace or exclude.
func TestGoInstall(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json", "../go.mod").Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Module           struct{ Path string }
		Replace, Exclude []any
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	if mod.Module.Path != "github.com/godwitkv/godwit" || len(mod.Replace)+len(mod.Exclude) != 0 {
		t.Errorf("go install would refuse %s: replace %v, exclude %v", mod.Module.Path, mod.Replace, mod.Exclude)
	}
}

// TestScripts has the shell read what dpkg runs.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("deb/*")
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, path := range scripts {
		if b, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(b), "#!/bin/sh\n") {
			continue
		}
		read++
		if out, err := exec.CommandContext(t.Context(), "sh", "-n", path).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", path, err, out)
		}
	}
	if read != 3 {
		t.Errorf("%d scripts were found", read)
	}
}
