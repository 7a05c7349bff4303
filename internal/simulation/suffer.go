package simulation

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/godwitkv/godwit/internal/pause"
	"github.com/godwitkv/godwit/internal/store/storetest"
)

// nodeFault is what a fault does to a process or a machine.
func (w *world) nodeFault(f *fault, rng *rand.Rand) []event {
	m := w.machines[f.node]
	begin := func() error { m.crash(f, rng); return nil }
	back := f.kind == faultBack
	if f.kind == faultRestart {
		begin = func() error { m.stop(); return nil }
	}
	start := func() error {
		if f.turned && !m.central() {
			m.plan.partial, m.turned = !m.plan.partial, true
		}
		return m.start(back && m.old != nil)
	}
	events := []event{
		{f.from, "begins: " + f.String(), begin},
		{f.to, "ends: " + f.String(), start},
	}
	if back {
		events = append(events, event{f.from / 2, "copies the disk of " + f.node, func() error { m.keep(rng); return nil }})
	}
	return events
}

// diskFault fills a disk, and makes room again.
func (w *world) diskFault(f *fault) []event {
	m := w.machines[f.disk]
	leave := func(free uint64) func() error {
		return func() error {
			storetest.SetDiskUsage(m.disk, diskBytes, free)
			return nil
		}
	}
	return []event{{f.from, "begins: " + f.String(), leave(diskReserve / 2)}, {f.to, "ends: " + f.String(), leave(diskBytes)}}
}

// Sizes of disks that are asked: they are endless otherwise.
const (
	diskBytes   = 64 << 30
	diskReserve = 2 << 20
)

// linkFault is what a fault does to links.
func (w *world) linkFault(f *fault) []event {
	begin, end := func(*link) {}, func(*link) {}
	switch f.kind {
	case faultCut:
		begin = func(l *link) { l.cuts++; l.reset(errReset) }
		end = func(l *link) { l.cuts-- }
	case faultStall, faultHalf:
		begin = func(l *link) { l.stalls++ }
		end = func(l *link) { l.stalls-- }
	case faultFrail:
		begin = func(l *link) { l.every, l.frail = f.bytes, 1+l.rng.IntN(2*f.bytes) }
		end = func(l *link) { l.every = 0 }
	case faultSlow:
		begin = func(l *link) { l.slow += f.delay }
		end = func(l *link) { l.slow -= f.delay }
	}
	do := func(fn func(*link)) func() error {
		return func() error {
			for _, l := range f.links {
				if f.kind == faultHalf {
					w.network.oneWay(l[0], l[1], fn)
				} else {
					w.network.with(l[0], l[1], fn)
				}
			}
			return nil
		}
	}
	return []event{{f.from, "begins: " + f.String(), do(begin)}, {f.to, "ends: " + f.String(), do(end)}}
}

// suffer lets things go wrong at their times. What has begun ends, also after
// ctx has.
func (w *world) suffer(ctx context.Context, begun time.Time, events []event) error {
	slices.SortStableFunc(events, func(a, b event) int { return int(a.at - b.at) })
	for _, e := range events {
		pause.For(ctx, time.Until(begun.Add(e.at)))
		if w.failed() {
			return nil
		}
		w.trace.note("fault", "%s", e.what)
		if err := e.do(); err != nil {
			return err
		}
	}
	return nil
}
