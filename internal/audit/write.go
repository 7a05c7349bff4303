package audit

import "bytes"

// line is an entry encoded. Who waits for it is told by written.
type line struct {
	text    []byte
	written chan error // nil: nobody waits
}

// run writes until the log is closed.
func (l *Log) run() {
	defer close(l.done)
	for {
		select {
		case first := <-l.lines:
			l.write(l.gather(first))
		case <-l.reopen:
			l.tell(l.file.reopen())
		case <-l.stop:
			l.finish()
			return
		}
	}
}

// finish writes what waits.
func (l *Log) finish() {
	for {
		select {
		case first := <-l.lines:
			l.write(l.gather(first))
		default:
			l.write(nil)
			_ = l.file.close()
			return
		}
	}
}

// gather takes what else waits, up to a bound.
func (l *Log) gather(first line) []line {
	all, n := []line{first}, len(first.text)
	for n < maxGathered {
		select {
		case next := <-l.lines:
			all, n = append(all, next), n+len(next.text)
		default:
			return all
		}
	}
	return all
}

// write writes lines, those that count what was dropped before them, and tells
// those who wait.
func (l *Log) write(all []line) {
	dropped := l.dropped.Swap(0)
	var b bytes.Buffer
	if dropped > 0 {
		b.Write(l.encode(Entry{Operation: OperationDropped, Count: dropped}))
	}
	for _, it := range all {
		b.Write(it.text)
	}
	err := l.file.write(b.Bytes())
	if l.tell(err); err != nil {
		l.dropped.Add(dropped)
		l.drop(int64(len(all)))
	} else {
		l.written.Add(float64(len(all)))
	}
	for _, it := range all {
		if it.written != nil {
			it.written <- err
		}
	}
}

// tell logs that the file cannot be written to, and that it can again, once.
func (l *Log) tell(err error) {
	failing := l.failing.Swap(err != nil)
	switch {
	case err != nil && !failing:
		l.cfg.Logger.Error("the audit log cannot be written to", "error", err.Error())
	case err == nil && failing:
		l.cfg.Logger.Info("the audit log is written to again")
	}
}
