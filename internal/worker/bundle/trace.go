package bundle

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-sourcemap/sourcemap"
)

// Trace maps places in modules back to the sources.
type Trace struct {
	maps map[string]*mapped // by the module's name
}

type mapped struct {
	consumer *sourcemap.Consumer
	dir      string
}

// NewTrace returns a trace of what was built.
func NewTrace(results ...*Result) *Trace {
	t := &Trace{maps: map[string]*mapped{}}
	for _, r := range results {
		if r.Map == nil {
			continue
		}
		if c, err := sourcemap.Parse("", r.Map); err == nil { // else the places stay as they are
			t.maps[inStacks(r)] = &mapped{c, r.Dir}
		}
	}
	return t
}

// inStacks is what workerd calls the main module. A script has no name of its own, so it
// gets that of its service.
func inStacks(r *Result) string {
	name := r.Modules[0].Name
	if r.ServiceWorker {
		return "worker:" + strings.TrimSuffix(name, ".js")
	}
	return name
}

var inModule = regexp.MustCompile(`(^|[\s(])(?:file:///(?:bundle/)?)?([\w.-]+\.js|worker:[\w-]+):(\d+):(\d+)`)

// Map replaces each place in a text that lies in a module.
func (t *Trace) Map(text string) string {
	return inModule.ReplaceAllStringFunc(text, func(place string) string {
		m := inModule.FindStringSubmatch(place)
		in := t.maps[m[2]]
		if in == nil {
			return place
		}
		line, _ := strconv.Atoi(m[3])
		column, _ := strconv.Atoi(m[4])
		source, _, line, column, ok := in.consumer.Source(line, column-1)
		if !ok {
			return place
		}
		if !filepath.IsAbs(source) {
			source = filepath.Join(in.dir, source)
		}
		return fmt.Sprintf("%s%s:%d:%d", m[1], Shown(source), line, column+1)
	})
}
