package simulation

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"
)

var (
	firstSeed = flag.Uint64("simulate.seed", 1, "the first world's seed")
	seeds     = flag.Int("simulate.seeds", 200/effort, "how many worlds to run, of one seed after another")
	traces    = flag.String("simulate.traces", filepath.Join(os.TempDir(), "godwit-simulation"), "where the traces of broken worlds go")
	keepAll   = flag.Bool("simulate.keep", false, "keep the traces of all worlds")
	workers   = flag.Int("simulate.workers", runtime.NumCPU(), "processes that run worlds")
	alone     = flag.Bool("simulate.main", false, "run the worlds and no test; the summary is the last line")
	worker    = flag.Bool("simulate.worker", false, "run the worlds in this process, and tell of each in a line of JSON")
)

// TestMain runs the worlds alone where that is asked for, as make simulate does.
func TestMain(m *testing.M) {
	flag.Parse()
	switch {
	case *worker: // a bubble that something is left in ends the process by itself
		os.Exit(m.Run())
	case !*alone:
		goleak.VerifyTestMain(m)
		return
	}
	d := newDriver(*firstSeed, *seeds)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt)
	go func() {
		<-stop
		d.stop()
	}()
	d.say = func(format string, args ...any) { fmt.Printf(format+"\n", args...) }
	d.progress = 10 * time.Second
	s := d.run()
	fmt.Println(s)
	if s.failed() {
		os.Exit(1)
	}
}

// TestWorlds runs worlds in processes of their own.
func TestWorlds(t *testing.T) {
	if *worker {
		t.Skip("this process is a worker")
	}
	d := newDriver(*firstSeed, *seeds)
	d.say = t.Logf
	s := d.run()
	t.Log(s)
	if s.failed() {
		t.Error(s)
	}
}
