package worker

import (
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/godwitkv/godwit/internal/worker/bundle"
	"github.com/godwitkv/godwit/internal/worker/workerd"
)

// told is what people read: the Workers' logs, and a few words of godwit's own.
type told struct {
	mu       sync.Mutex
	out, err io.Writer
}

// line writes what a Worker said: to standard output, or as an error.
func (t *told) line(l workerd.Line, trace *bundle.Trace) {
	text := plain(trace.Map(l.Text))
	w := t.out
	if l.Level == "error" || l.Level == "warn" || l.Own {
		w = t.err
	}
	if l.Own {
		text = "workerd: " + text
	}
	t.write(w, text)
}

// say tells how things are.
func (t *told) say(format string, args ...any) { t.write(t.err, fmt.Sprintf(format, args...)) }

// warn tells what is wrong.
func (t *told) warn(format string, args ...any) {
	t.write(t.err, "godwit: "+plain(fmt.Sprintf(format, args...)))
}

func (t *told) write(w io.Writer, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintln(w, strings.TrimRight(text, "\n"))
}

// plain is text without what plays tricks on a terminal: a log may hold what a client
// has sent.
func plain(text string) string {
	if strings.IndexFunc(text, control) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if control(r) {
			fmt.Fprintf(&b, `\x%02x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func control(r rune) bool {
	return r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0
}
