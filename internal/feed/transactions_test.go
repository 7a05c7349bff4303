package feed

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
)

func someProposal() []godwit.Transaction {
	return []godwit.Transaction{{
		RequestKey: godwit.RequestKey{1, 2},
		Mutations: []godwit.Mutation{
			{Op: godwit.OpPut, Namespace: godwit.NamespaceID{1}, Key: "key", Value: godwit.Value{Inline: []byte("value")}},
			{Op: godwit.OpPut, Namespace: godwit.NamespaceID{1}, Key: "large", Value: godwit.Value{Blob: godwit.Blob{ID: godwit.BlobID{2}, Size: 3, Hash: [32]byte{4}}}},
		},
	}}
}

// TestProposalGolden holds the bytes of a proposal and of its answer.
func TestProposalGolden(t *testing.T) {
	datadriven.RunTest(t, "testdata/proposal", func(t *testing.T, td *datadriven.TestData) string {
		switch td.Cmd {
		case "proposal":
			return hex.Dump(appendProposal(nil, someProposal()))
		case "answer":
			return hex.Dump(appendOutcome(nil, []godwit.Result{{Outcome: godwit.Applied, Revision: 300}}, nil))
		case "partly":
			return hex.Dump(appendOutcome(nil, []godwit.Result{{Outcome: godwit.Applied, Revision: 300, Repeated: true}}, godwit.ErrBusy))
		default:
			t.Fatalf("no command %q", td.Cmd)
			return ""
		}
	})
}

func FuzzProposal(f *testing.F) {
	f.Add(appendProposal(nil, someProposal()))
	f.Add(appendProposal(nil, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		txs, err := readProposal(bytes.NewReader(b), func(n int64) error {
			if n > 1<<20 {
				return godwit.ErrBusy
			}
			return nil
		})
		if err != nil {
			return
		}
		again, err := readProposal(bytes.NewReader(appendProposal(nil, txs)), func(int64) error { return nil })
		if diff := cmp.Diff(txs, again); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	})
}

func FuzzOutcome(f *testing.F) {
	f.Add(appendOutcome(nil, []godwit.Result{{Outcome: godwit.Applied, Revision: 300}}, nil))
	f.Add(appendOutcome(nil, []godwit.Result{{Outcome: godwit.ConditionFailed}}, godwit.ErrBusy))
	f.Add(appendOutcome(nil, nil, errors.New("internal")))
	f.Fuzz(func(t *testing.T, b []byte) {
		results, err, bad := decodeOutcome(b, 2)
		if bad != nil {
			return
		}
		if len(results) > 2 || len(results) < 2 && err == nil {
			t.Fatalf("%d results of 2, %v", len(results), err)
		}
		again, errAgain, bad := decodeOutcome(appendOutcome(nil, results, err), 2)
		if diff := cmp.Diff(results, again); bad != nil || diff != "" || (err == nil) != (errAgain == nil) {
			t.Errorf("%v, %v (-want +got):\n%s", errAgain, bad, diff)
		}
	})
}
