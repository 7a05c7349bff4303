package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// versionCmd shows the version.
type versionCmd struct{}

// Run writes one line.
func (versionCmd) Run(p *program) error {
	_, err := fmt.Fprintln(p.stdout, versionLine())
	return err
}

// versionLine is the version, the commit where the build knows it, and what it runs on.
func versionLine() string {
	b := built()
	words := []string{"godwit", b.version, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
	if b.commit != "" {
		words = append(words, "commit", b.commit)
	}
	return strings.Join(words, " ")
}

// version is what the build recorded of its source: a tag, or a commit.
func version() string { return built().version }

// build is what the build recorded of its source.
type build struct {
	version string // a tag, or one made of the commit; "devel" where nothing was recorded
	commit  string // "" if the source was a module, or not to be recorded
	date    string // of the commit
}

func built() build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return build{version: "devel"}
	}
	return builtFrom(info)
}

func builtFrom(info *debug.BuildInfo) build {
	settings := make(map[string]string)
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	b := build{version: info.Main.Version, commit: settings["vcs.revision"]}
	if b.version == "" || b.version == "(devel)" {
		b.version = "devel"
	}
	if b.commit != "" && settings["vcs.modified"] == "true" {
		b.commit += "+changes"
	}
	b.date, _, _ = strings.Cut(settings["vcs.time"], "T")
	return b
}
