package wrangler

import (
	"fmt"
	"slices"
	"strings"
)

// Variables that say how modules are made, of the environment or the .env files.
const (
	conditionsVariable = "WRANGLER_BUILD_CONDITIONS"
	platformVariable   = "WRANGLER_BUILD_PLATFORM"
)

// loadBuild adds what variables say of the build.
func (w *Worker) loadBuild(o Options, files map[string]string) error {
	values := map[string]string{}
	for _, name := range []string{conditionsVariable, platformVariable} {
		if value, ok := files[name]; ok {
			values[name] = value
		}
		for _, pair := range o.Environ() {
			if value, ok := strings.CutPrefix(pair, name+"="); ok {
				values[name] = value
			}
		}
	}
	if conditions, ok := values[conditionsVariable]; ok {
		w.Build.Conditions = strings.Split(conditions, ",")
	}
	platform, ok := values[platformVariable]
	if ok && !slices.Contains([]string{"browser", "node", "neutral"}, platform) {
		return fmt.Errorf("%s: %s is none of browser, node and neutral", w.File, platformVariable)
	}
	w.Build.Platform = platform
	return nil
}
