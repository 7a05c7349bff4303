package main

import (
	"runtime/debug"
	"testing"
)

// TestBuiltFrom has each way in which godwit is built.
func TestBuiltFrom(t *testing.T) {
	commit := debug.BuildSetting{Key: "vcs.revision", Value: "c669732c"}
	date := debug.BuildSetting{Key: "vcs.time", Value: "2026-11-27T03:24:35Z"}
	for name, c := range map[string]struct {
		main     string
		settings []debug.BuildSetting
		want     build
	}{
		"go install of a version": {"v1.2.3", nil, build{version: "v1.2.3"}},
		"a tag that is checked out": {"v1.2.3", []debug.BuildSetting{commit, date, {Key: "vcs.modified", Value: "false"}},
			build{version: "v1.2.3", commit: "c669732c", date: "2026-11-27"}},
		"a clone with changes": {"v0.0.0-20261127032435-c669732c+dirty", []debug.BuildSetting{commit, date, {Key: "vcs.modified", Value: "true"}},
			build{version: "v0.0.0-20261127032435-c669732c+dirty", commit: "c669732c+changes", date: "2026-11-27"}},
		"no version control": {"(devel)", nil, build{version: "devel"}},
	} {
		info := &debug.BuildInfo{Main: debug.Module{Version: c.main}, Settings: c.settings}
		if got := builtFrom(info); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
