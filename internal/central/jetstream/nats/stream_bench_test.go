package nats_test

import (
	"context"
	"encoding/binary"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/godwitkv/godwit/internal/central/jetstream"
)

// BenchmarkStream measures three servers and three readers in this process: messages
// from one sender with some in flight, and how long each took to reach the readers.
func BenchmarkStream(b *testing.B) {
	w := newWorld(b, 3)
	for _, bench := range []struct {
		name     string
		size     int
		inFlight int
		every    time.Duration // one is sent; 0: as fast as they are taken
	}{
		{"small", 100, 1024, 0},
		{"small/paced", 100, 64, 2 * time.Millisecond},
		{"100KiB", 100 << 10, 64, 0},
		{"100KiB/paced", 100 << 10, 16, 4 * time.Millisecond},
	} {
		b.Run(bench.name, func(b *testing.B) { benchStream(b, w, bench.size, bench.inFlight, bench.every) })
	}
	b.Run("read/small", func(b *testing.B) { benchRead(b, w) })
}

func benchStream(b *testing.B, w *world, size, inFlight int, every time.Duration) {
	first := mustState(b, w.servers["n1"].stream).Last + 1
	delays := make([][]time.Duration, len(w.peers))
	var readers sync.WaitGroup
	for i, p := range w.peers {
		readers.Go(func() { delays[i] = readDelays(b, w.servers[p.Name].stream, first, b.N) })
	}
	room := make(chan struct{}, inFlight)
	var acks sync.WaitGroup
	began := time.Now()
	for i := range b.N {
		if every > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(i) * every)))
		}
		room <- struct{}{}
		msg := make([]byte, size)
		binary.BigEndian.PutUint64(msg, uint64(time.Now().UnixNano()))
		acks.Add(1)
		w.servers["n1"].stream.Send(msg, func(err error) {
			if err != nil {
				b.Error(err)
			}
			<-room
			acks.Done()
		})
	}
	acks.Wait()
	readers.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "messages/s")
	all := slices.Concat(delays...)
	slices.Sort(all)
	for _, percent := range []int{50, 99} {
		b.ReportMetric(float64(all[len(all)*percent/100].Microseconds())/1000, "ms_p"+strconv.Itoa(percent))
	}
	if err := w.servers["n1"].stream.Trim(b.Context(), first+uint64(b.N)); err != nil {
		b.Error(err)
	}
}

// readDelays reads n messages, and returns how old each was.
func readDelays(b *testing.B, s jetstream.Stream, from uint64, n int) (delays []time.Duration) {
	err := s.Read(context.Background(), from, func(m jetstream.Message) error {
		sent := int64(binary.BigEndian.Uint64(m.Data))
		delays = append(delays, time.Duration(time.Now().UnixNano()-sent))
		if len(delays) == n {
			return errEnough
		}
		return nil
	})
	if err != errEnough {
		b.Error(err)
	}
	return delays
}

// benchRead measures a reader that starts in the past.
func benchRead(b *testing.B, w *world) {
	s := w.servers["n2"].stream
	first := mustState(b, s).Last + 1
	var acks sync.WaitGroup
	for range b.N {
		acks.Add(1)
		s.Send(make([]byte, 100), func(error) { acks.Done() })
	}
	acks.Wait()
	b.ResetTimer()
	readN(b, s, first, b.N)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
