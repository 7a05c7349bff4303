package simulation

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"
)

// verdict is what a worker tells of a world: when it begins, and how it ended.
type verdict struct {
	Seed    uint64   `json:"seed"`
	Begins  bool     `json:"begins,omitempty"`
	Broken  []string `json:"broken,omitempty"`
	Promise promise  `json:"promise,omitempty"` // the first that was broken
	Trace   string   `json:"trace,omitempty"`
	Answers int      `json:"answers,omitempty"`
	Records int      `json:"records,omitempty"`
	Lived   float64  `json:"lived,omitempty"` // seconds, of the world's time
}

// verdictPrefix marks a worker's lines among all that it prints.
const verdictPrefix = "world: "

func (v *verdict) tell() {
	b, _ := json.Marshal(v)
	fmt.Println(verdictPrefix + string(b))
}

// TestWorker is what a worker's process runs: one world after another, on one
// processor, so that a seed has as little else to depend on as can be.
func TestWorker(t *testing.T) {
	if !*worker {
		t.Skip("this process is no worker")
	}
	runtime.GOMAXPROCS(1)
	startForever()
	for i := range uint64(*seeds) {
		seed := *firstSeed + i
		(&verdict{Seed: seed, Begins: true}).tell()
		r := inBubble(t, seed)
		v := &verdict{Seed: seed, Answers: r.ops, Records: r.log, Lived: r.lived.Seconds()}
		for _, err := range r.broken {
			v.Broken = append(v.Broken, err.Error())
		}
		v.Promise = r.promise
		if len(v.Broken) > 0 || *keepAll {
			v.Trace = keep(t, seed, r.trace)
		}
		v.tell()
	}
}

// inBubble runs the world of a seed.
func inBubble(t *testing.T, seed uint64) (r *result) {
	t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
		cryptotest.SetGlobalRandom(t, seed)
		synctest.Test(t, func(*testing.T) { r = run(newPlan(seed)) })
	})
	return r
}

// keep writes a trace to its file.
func keep(t *testing.T, seed uint64, text string) string {
	name := filepath.Join(*traces, fmt.Sprintf("seed-%d.trace", seed))
	if err := os.MkdirAll(*traces, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// startForever starts what a library starts once in a process and never ends:
// begun within a bubble it would keep the bubble from ending.
func startForever() {
	ln := &listener{queue: make(chan *conn), closed: make(chan struct{}), network: newNetwork(0)}
	ln.network.addHost("")
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = fasthttp.Serve(ln, func(*fasthttp.RequestCtx) {})
	}()
	time.Sleep(10 * time.Millisecond) // out of all bubbles; it has begun by then, or begins before it ends
	_ = ln.Close()
	<-done
}
