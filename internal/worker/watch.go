package worker

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// pollEvery is how often files are looked at of which the system has said nothing:
	// on disks of other machines, or behind a directory that was replaced.
	pollEvery = time.Second
	// pollModules is how much less often those of packages are.
	pollModules = 3
	// gather is how long further changes are waited for: an editor writes more than one
	// file, and a file more than once.
	gather = 15 * time.Millisecond
	// refill is how long a file that has become empty may stay so: who writes it in place
	// empties it first, and on a busy machine fills it much later.
	refill = 500 * time.Millisecond
	// racy is how old a change must be for a later one to differ from it in time.
	racy = 50 * time.Millisecond
	// maxWatched bounds the directories that the system is asked to tell of; the others
	// are looked at.
	maxWatched = 4096
)

// stamp tells one state of a file from another.
type stamp struct {
	exists, dir bool
	size        int64
	modified    int64
	inode       uint64
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	s := stamp{exists: true, dir: info.IsDir(), modified: info.ModTime().UnixNano()}
	if !s.dir {
		s.size = info.Size()
	}
	if sys, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode = sys.Ino
	}
	return s
}

// watcher tells when one of some files has changed, however: written, replaced by
// another, removed, or come to be. The system's word only makes it look at once; what
// counts is what it sees.
type watcher struct {
	events  *fsnotify.Watcher // nil: the system tells nothing
	stamps  map[string]stamp
	asked   map[string]uint64 // directories that it tells of, by their inodes
	rounds  int
	every   time.Duration // between looks
	failure error         // the last that the system had
}

func newWatcher() *watcher {
	w := &watcher{stamps: map[string]stamp{}, asked: map[string]uint64{}, every: pollEvery}
	if events, err := fsnotify.NewWatcher(); err == nil {
		w.events = events
	}
	return w
}

func (w *watcher) close() {
	if w.events != nil {
		_ = w.events.Close()
	}
}

// look notes how files stand, before anyone reads them. Files that are not there are
// waited for. For each file its directory is looked at too, in which a new one may win
// over it.
func (w *watcher) look(paths []string) {
	w.stamps = map[string]stamp{}
	for _, path := range paths {
		w.stamps[path] = stampOf(path)
		if dir := filepath.Dir(path); !ofPackage(dir) {
			w.stamps[dir] = stampOf(dir)
		}
	}
	w.ask()
}

// add looks at files besides, of which is told how they stood when they were read at
// the latest.
func (w *watcher) add(paths []string) {
	for _, path := range paths {
		for _, p := range []string{path, filepath.Dir(path)} {
			if _, ok := w.stamps[p]; !ok && (p == path || !ofPackage(p)) {
				w.stamps[p] = stampOf(p)
			}
		}
	}
	w.ask()
}

// ofPackage tells whether a path lies in a package that was installed.
func ofPackage(path string) bool {
	return strings.Contains(path, string(filepath.Separator)+"node_modules"+string(filepath.Separator)) ||
		filepath.Base(path) == "node_modules"
}

// ask asks the system to tell of the directories. One that was replaced is asked for
// again.
func (w *watcher) ask() {
	if w.events == nil {
		return
	}
	for path, s := range w.stamps {
		if !s.exists || !s.dir {
			continue
		}
		if inode, ok := w.asked[path]; ok && inode == s.inode {
			continue
		}
		if len(w.asked) >= maxWatched {
			return
		}
		_ = w.events.Remove(path) // it may be of the one before
		if w.events.Add(path) == nil {
			w.asked[path] = s.inode
		}
	}
}

// recent tells whether a file has changed so lately that another change would look the
// same.
func (w *watcher) recent() bool {
	now := time.Now()
	from, to := now.Add(-racy).UnixNano(), now.Add(racy).UnixNano()
	for _, s := range w.stamps {
		if s.modified > from && s.modified < to && !s.dir { // one of next year is not recent
			return true
		}
	}
	return false
}

// wait returns when something differs from what was seen, with nil, or when ctx ends. If
// again is not 0 it returns after that time in any case.
func (w *watcher) wait(ctx context.Context, again time.Duration) error {
	var events chan fsnotify.Event
	var failures chan error
	if w.events != nil {
		events, failures = w.events.Events, w.events.Errors
	}
	poll := time.NewTicker(w.every)
	defer poll.Stop()
	var once <-chan time.Time
	if again > 0 {
		once = time.After(again)
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-once:
			return nil
		case w.failure = <-failures: // events were lost, say: look
		case <-events:
			settle(ctx, events)
		case <-poll.C:
			w.rounds++
			w.ask()
		}
		if w.differs() {
			w.await(ctx)
			return nil
		}
	}
}

// await gives who has emptied a file the time to write it.
func (w *watcher) await(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, refill)
	defer cancel()
	again := time.NewTicker(gather)
	defer again.Stop()
	for w.emptied() {
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		}
	}
}

// emptied tells whether a file is empty that was not.
func (w *watcher) emptied() bool {
	for path, was := range w.stamps {
		if was.size == 0 || ofPackage(path) {
			continue
		}
		if now := stampOf(path); now.exists && !now.dir && now.size == 0 {
			return true
		}
	}
	return false
}

// settle takes events until none comes for a moment.
func settle(ctx context.Context, events chan fsnotify.Event) {
	quiet := time.NewTimer(gather)
	defer quiet.Stop()
	for range 100 {
		select {
		case <-events:
			quiet.Reset(gather)
		case <-quiet.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (w *watcher) differs() bool {
	for path, s := range w.stamps {
		if ofPackage(path) && w.rounds%pollModules != 0 {
			continue
		}
		if stampOf(path) != s {
			return true
		}
	}
	return false
}
