package jetstream

import (
	"errors"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/central/gather"
)

// deaf is a way to a log that never answers.
type deaf struct{ Stream }

func (deaf) Send([]byte, func(error)) {}
func (deaf) MaxMessage() int          { return 1 << 20 }

// TestPauseTellsWhoJustAsked: who was let in before a member pauses, and queues behind
// that, is told as others are.
func TestPauseTellsWhoJustAsked(t *testing.T) {
	p := newProposer(deaf{}, time.Now, func(*godwit.Error) {})
	p.begin()
	p.pause()
	it := gather.New(nil)
	if err := p.queue.Add(it); err != nil {
		t.Fatal(err)
	}
	p.step()
	done := make(chan error, 1)
	go func() { _, err := it.Wait(); done <- err }()
	select {
	case err := <-done:
		if godwit.CodeOf(err) != godwit.CodeUnavailable {
			t.Errorf("told %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the writer waits on")
	}
}

// TestPartsOfAWrite: what is written in parts is not told as undone because a part of it
// was, if one behind that may be done.
func TestPartsOfAWrite(t *testing.T) {
	var txs []godwit.Transaction
	for range 3 {
		m := godwit.Mutation{Op: godwit.OpPut, Value: godwit.Value{Inline: make([]byte, 400<<10)}}
		txs = append(txs, godwit.Transaction{Mutations: []godwit.Mutation{m}})
	}
	full, lost := errClock, unknown(errNoQuorum)
	for _, tt := range []struct {
		name    string
		parts   [3]error // nil: it is done
		results int
		want    error
	}{
		{"done", [3]error{}, 3, nil},
		{"the last fails", [3]error{2: full}, 2, full},
		{"all fail", [3]error{full, full, full}, 0, full},
		{"one behind is done", [3]error{0: full}, 0, godwit.ErrOutcomeUnknown},
		{"one behind is unknown", [3]error{1: full, 2: lost}, 1, godwit.ErrOutcomeUnknown},
		{"unknown", [3]error{1: lost, 2: full}, 1, godwit.ErrOutcomeUnknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newProposer(deaf{}, time.Now, func(*godwit.Error) {})
			p.down = nil
			go func() {
				var parts []*gather.Proposal
				for len(parts) < len(tt.parts) {
					<-p.queue.Wake()
					parts = append(parts, p.queue.Take(maxBatch, 1<<30)...)
				}
				for i, part := range parts {
					if tt.parts[i] != nil {
						gather.Fail(parts[i:i+1], tt.parts[i])
					} else {
						gather.Finish(parts[i:i+1], make([]godwit.Result, len(part.Transactions)))
					}
				}
			}()
			results, err := p.propose(txs)
			if len(results) != tt.results || !errors.Is(err, tt.want) {
				t.Errorf("%d results, %v; want %d, %v", len(results), err, tt.results, tt.want)
			}
		})
	}
}

// ending is a way to a log that ends just as a batch is made for it.
type ending struct {
	deaf
	end func()
}

func (e ending) MaxMessage() int {
	e.end()
	return e.deaf.MaxMessage()
}

// TestEndsWhileABatchIsMade: who is in a batch that is made as writes end is told, since
// nothing gives it up any more.
func TestEndsWhileABatchIsMade(t *testing.T) {
	for name, end := range map[string]func(*proposer){
		"the log ends":  func(p *proposer) { p.end(godwit.Fenced(1, 2)) },
		"it is joining": (*proposer).pause,
	} {
		t.Run(name, func(t *testing.T) {
			p := newProposer(deaf{}, time.Now, func(*godwit.Error) {})
			p.begin()
			p.down = nil
			made := false
			p.stream = ending{end: func() {
				if made = !made && p.mu.TryLock(); made { // not while it takes them
					p.mu.Unlock()
					end(p)
				}
			}}
			it := gather.New(nil)
			if err := p.queue.Add(it); err != nil {
				t.Fatal(err)
			}
			p.step()
			if _, err := it.Wait(); godwit.CodeOf(err) == godwit.CodeInternal {
				t.Errorf("told %v", err)
			}
			if len(p.flights) != 0 {
				t.Errorf("%d batches are on their way", len(p.flights))
			}
		})
	}
}
