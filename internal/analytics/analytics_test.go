package analytics_test

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/analytics"
)

var (
	one   = godwit.NamespaceID{1}
	start = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
)

// numbered is one of many namespaces.
func numbered(i int) (ns godwit.NamespaceID) {
	binary.BigEndian.PutUint32(ns[:], uint32(i+1))
	return ns
}

// counts are what a window says of one action.
func counts(t *testing.T, r *analytics.Recorder, ns godwit.NamespaceID, now time.Time, a analytics.Action) (hour, day analytics.Totals) {
	t.Helper()
	h, d, ok := r.Report(ns, now)
	if !ok {
		t.Error("the namespace is not counted")
	}
	return h[a], d[a]
}

// TestWindows holds the sums of both windows against a list of all that was counted,
// over some days with busy and with idle times.
func TestWindows(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	r := analytics.New()
	now := start
	var all []analytics.Request
	for range 4000 {
		switch rng.IntN(200) {
		case 0:
			now = now.Add(time.Duration(rng.IntN(30)) * time.Hour)
		case 1, 2, 3:
			now = now.Add(time.Duration(rng.IntN(90)) * time.Minute)
		default:
			now = now.Add(time.Duration(rng.IntN(90)) * time.Second)
		}
		q := analytics.Request{
			Action: analytics.Action(rng.IntN(int(analytics.Actions))), At: now, Took: time.Millisecond,
			Keys: rng.IntN(4), Bytes: rng.Int64N(1000), Failed: rng.IntN(9) == 0,
		}
		r.Record(one, q)
		all = append(all, q)
		if rng.IntN(10) == 0 {
			for a := range analytics.Actions {
				holds(t, r, all, now, a)
			}
		}
		if t.Failed() {
			return
		}
	}
}

// holds compares what was counted with what must have been: exactly in the last hour,
// and in the last day but for the hour that it begins in.
func holds(t *testing.T, r *analytics.Recorder, all []analytics.Request, now time.Time, a analytics.Action) {
	t.Helper()
	sum := func(minutes int64) (s analytics.Totals) {
		for _, q := range all {
			if q.Action != a || q.At.Unix()/60 <= now.Unix()/60-minutes {
				continue
			}
			s.Requests++
			s.Keys += uint64(q.Keys)
			s.Bytes += uint64(q.Bytes)
			if q.Failed {
				s.Failed++
			}
		}
		return s
	}
	hour, day := counts(t, r, one, now, a)
	if want := sum(60); plain(hour) != plain(want) {
		t.Errorf("%v %v: the last hour has %v, want %v", now, a, plain(hour), plain(want))
	}
	most, least := sum(24*60), sum(23*60)
	if day.Requests > most.Requests || day.Requests < least.Requests || day.Keys > most.Keys || day.Keys < least.Keys ||
		day.Bytes > most.Bytes || day.Bytes < least.Bytes || day.Failed > most.Failed || day.Failed < least.Failed {
		t.Errorf("%v %v: the last day has %v, want %v to %v", now, a, plain(day), plain(least), plain(most))
	}
}

// plain are the counts alone.
func plain(t analytics.Totals) [4]uint64 { return [4]uint64{t.Requests, t.Keys, t.Bytes, t.Failed} }

// TestQuantiles holds quantiles of latencies that are spread evenly, of which those
// within a bucket are guessed well.
func TestQuantiles(t *testing.T) {
	r := analytics.New()
	for i := range 1000 {
		r.Record(one, analytics.Request{At: start, Took: time.Duration(i+1) * time.Millisecond, Keys: 1})
	}
	hour, _ := counts(t, r, one, start, analytics.Read)
	for _, q := range []float64{0.25, 0.5, 0.9, 0.99, 0.999, 1} {
		want := time.Duration(q * float64(time.Second))
		if got := hour.Quantile(q); got < want*9/10 || got > want*11/10 {
			t.Errorf("%v: %v, want about %v", q, got, want)
		}
	}
	for _, took := range []time.Duration{-time.Second, 0, time.Hour} { // none of them is out of bounds
		r.Record(one, analytics.Request{At: start, Took: took, Keys: 1, Action: analytics.List})
	}
	hour, _ = counts(t, r, one, start, analytics.List)
	if hour.Requests != 3 || hour.Quantile(0.1) > time.Microsecond || hour.Quantile(1) < 10*time.Second {
		t.Errorf("odd times: %d, %v to %v", hour.Requests, hour.Quantile(0.1), hour.Quantile(1))
	}
	if none := new(analytics.Totals).Quantile(0.5); none != 0 {
		t.Errorf("of nothing: %v", none)
	}
}

// TestManyAtOnce counts from many goroutines while minutes go by, and others ask. None is
// behind another by two minutes, as in truth nobody is held up for so long.
func TestManyAtOnce(t *testing.T) {
	r := analytics.New()
	const minutes, each, workers = 30, 170, 4
	var counted [minutes]sync.WaitGroup
	for m := range counted {
		counted[m].Add(workers)
	}
	var counting sync.WaitGroup
	for range workers {
		counting.Go(func() {
			for m := range minutes {
				if m >= 2 {
					counted[m-2].Wait()
				}
				for range each {
					r.Record(one, analytics.Request{At: start.Add(time.Duration(m) * time.Minute), Keys: 2, Bytes: 3})
				}
				r.Report(one, start.Add(time.Hour))
				counted[m].Done()
			}
		})
	}
	counting.Wait()
	hour, day := counts(t, r, one, start.Add(minutes*time.Minute), analytics.Read)
	for _, got := range []analytics.Totals{hour, day} {
		if want := uint64(minutes * each * workers); got.Requests != want {
			t.Errorf("%d requests, want %d", got.Requests, want)
		}
	}
}

// TestNamespacesAreBounded counts more namespaces than there is room for.
func TestNamespacesAreBounded(t *testing.T) {
	r := analytics.New()
	for i := range analytics.MaxNamespaces {
		r.Record(numbered(i), analytics.Request{At: start, Keys: 1})
	}
	late := numbered(analytics.MaxNamespaces)
	r.Record(late, analytics.Request{At: start.Add(time.Hour), Keys: 1})
	if _, _, ok := r.Report(late, start.Add(time.Hour)); ok {
		t.Error("one too many is counted")
	}
	if hour, _ := counts(t, r, numbered(7), start, analytics.Read); hour.Requests != 1 {
		t.Errorf("another: %d requests", hour.Requests)
	}
	r.Record(numbered(7), analytics.Request{At: start.Add(20 * time.Hour), Keys: 1})
	tomorrow := start.Add(25 * time.Hour)
	r.Record(late, analytics.Request{At: tomorrow, Keys: 1})
	if hour, _ := counts(t, r, late, tomorrow, analytics.Read); hour.Requests != 1 {
		t.Errorf("once others were idle for a day: %d requests", hour.Requests)
	}
	if _, day := counts(t, r, numbered(7), tomorrow, analytics.Read); day.Requests != 1 {
		t.Errorf("one that was in use: %d requests", day.Requests)
	}
}

// TestClockPutBack counts what comes behind a later minute with it.
func TestClockPutBack(t *testing.T) {
	r := analytics.New()
	for _, at := range []time.Duration{10, 8, 9, 10} {
		r.Record(one, analytics.Request{At: start.Add(at * time.Minute), Keys: 1})
	}
	if hour, _ := counts(t, r, one, start.Add(10*time.Minute), analytics.Read); hour.Requests != 4 {
		t.Errorf("%d requests, want 4", hour.Requests)
	}
}

func TestRecordAllocatesNothing(t *testing.T) {
	r := analytics.New()
	q := analytics.Request{At: start, Took: time.Millisecond, Keys: 1, Bytes: 288}
	r.Record(one, q)
	if n := testing.AllocsPerRun(100, func() { r.Record(one, q) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRecord(b *testing.B) {
	r := analytics.New()
	q := analytics.Request{At: start, Took: time.Millisecond, Keys: 1, Bytes: 288}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r.Record(one, q)
		}
	})
}

// TestBefore1970: a clock that nobody has set counts, and so does one that is put right.
func TestBefore1970(t *testing.T) {
	r := analytics.New()
	for _, at := range []time.Time{time.Unix(-1, 0), time.Unix(-100*365*24*60*60, 0), start} {
		for i := range 200 {
			at := at.Add(time.Duration(i) * time.Minute)
			r.Record(one, analytics.Request{At: at, Keys: 1})
			if hour, _ := counts(t, r, one, at, analytics.Read); hour.Requests == 0 {
				t.Fatalf("at %v nothing is counted", at)
			}
		}
	}
	if hour, day := counts(t, r, one, start.Add(199*time.Minute), analytics.Read); hour.Requests != 60 || day.Requests != 200 {
		t.Errorf("%d in the hour, %d in the day", hour.Requests, day.Requests)
	}
}

// TestAfterClockAhead: what was counted while the clock was ahead is forgotten once it is
// right; what was counted before is not, unless there was no room for both.
func TestAfterClockAhead(t *testing.T) {
	const ahead = 10 * 365 * 24 * time.Hour
	for minutes, before := range map[int]uint64{1: 30, 2: 30, 300: 0} { // ahead
		r, now := analytics.New(), start
		record := func(n int, off time.Duration) {
			for range n {
				now = now.Add(time.Minute)
				r.Record(one, analytics.Request{At: now.Add(off), Keys: 1})
			}
		}
		record(30, 0)
		record(minutes, ahead)
		record(300, 0)
		if hour, day := counts(t, r, one, now, analytics.Read); hour.Requests != 60 || day.Requests != 300+before {
			t.Errorf("%d ahead: %d in the hour, %d in the day", minutes, hour.Requests, day.Requests)
		}
	}
}

// TestIdleAfterClockAhead: what was counted while the clock was ahead is in no report once
// it is right, also of a namespace that nobody asks for any more.
func TestIdleAfterClockAhead(t *testing.T) {
	const ahead = 10 * 365 * 24 * time.Hour
	for _, minutes := range []int{1, 3, 300} { // counted in, kept, and summed up to hours
		r := analytics.New()
		for i := range minutes {
			r.Record(one, analytics.Request{At: start.Add(ahead + time.Duration(i)*time.Minute), Keys: 1})
		}
		hour, day := counts(t, r, one, start.Add(48*time.Hour), analytics.Read)
		if hour.Requests != 0 || day.Requests != 0 {
			t.Errorf("%d minutes ahead: %d in the hour, %d in the day", minutes, hour.Requests, day.Requests)
		}
	}
}

// TestRoomAfterClockAhead: namespaces that were counted while the clock was ahead leave
// room for others once it is right.
func TestRoomAfterClockAhead(t *testing.T) {
	r := analytics.New()
	for i := range analytics.MaxNamespaces {
		r.Record(numbered(i), analytics.Request{At: start.Add(time.Hour), Keys: 1})
	}
	late := numbered(analytics.MaxNamespaces)
	r.Record(late, analytics.Request{At: start, Keys: 1})
	if _, _, ok := r.Report(late, start); ok {
		t.Error("by a clock put back by an hour others are forgotten")
	}
	before := start.Add(-2 * time.Hour)
	r.Record(late, analytics.Request{At: before, Keys: 1})
	if hour, _ := counts(t, r, late, before, analytics.Read); hour.Requests != 1 {
		t.Errorf("by a clock put back by three hours: %d requests", hour.Requests)
	}
}
