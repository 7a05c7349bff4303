package feed_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/wire"
)

// samples are frames by name: one of each kind, and of each of its forms.
func samples() map[string]feed.Frame {
	lineage := godwit.Lineage{{ID: godwit.EpochID{1}, First: 1}, {ID: godwit.EpochID{2}, First: 500}}
	records := []godwit.Record{
		{
			Mutation: godwit.Mutation{
				Op: godwit.OpPut, Namespace: godwit.NamespaceID{7}, Key: "key",
				Value: godwit.Value{Inline: []byte("value")}, Metadata: []byte(`{"a":1}`), Expiration: 1_800_000_000,
			},
			Revision: 1001, Created: 1_700_000_000_000, Modified: 1_700_000_001_000,
		},
		{Mutation: godwit.Mutation{Op: godwit.OpDelete, Namespace: godwit.NamespaceID{7}, Key: "old"}, Revision: 1002, Created: 5, Modified: 5},
	}
	return map[string]feed.Frame{
		"hello": &feed.Hello{
			Cluster: "00112233445566778899aabbccddeeff", Account: "0123456789abcdef0123456789abcdef", Lineage: lineage,
			Purged: 400, Revision: 1000, Owner: true, Session: 0x0102030405060708, Location: "lhr", Clock: 1767225600000,
			Carries: feed.Filter{Jurisdictions: []string{"eu", "us"}},
		},
		"hello-generation": &feed.Hello{
			Cluster: "00112233445566778899aabbccddeeff", Lineage: append(lineage[:2:2], godwit.Epoch{ID: godwit.EpochID{3}, First: 900, After: 800, Generation: 1_700_000_000_000}),
			Revision: 1000, Owner: true, Carries: feed.Filter{Jurisdictions: []string{}},
		},
		"hello-partial": &feed.Hello{
			Cluster: "00112233445566778899aabbccddeeff", Lineage: godwit.Lineage{}, Carries: feed.Filter{
				Namespaces: []godwit.NamespaceID{{1}, {2}}, MaxValue: 1024, Jurisdictions: []string{"eu"},
			},
		},
		"records":   &feed.Records{Prev: 1000, Revision: 1002, Time: 1_700_000_001_000, Records: records},
		"round":     &feed.Records{Prev: 900, Revision: 1000, Time: 1, Round: true, Records: []godwit.Record{}},
		"ready":     &feed.Ready{Revision: 1002, Time: 1_700_000_001_000, Purged: 400},
		"heartbeat": &feed.Heartbeat{Revision: 1002, Age: 1500 * time.Millisecond, Ping: 3, Clock: 1_700_000_002_000},
		"end":       &feed.End{Reason: feed.EndRedirect, Message: "https://lhr.example"},
		"page":      &feed.Page{Revision: 1002, Time: 1_700_000_001_000, Records: records[:1]},
		"page-last": &feed.Page{Revision: 1002, Heads: true, Done: true, Records: []godwit.Record{}},
		"state": &feed.State{
			Position: godwit.Position{Epoch: godwit.EpochID{2}, Revision: 1002}, Time: 1_700_000_001_000, Place: []byte(`{"sequence":7}`),
		},
		"known": &feed.Known{
			Proposers: []store.KnownProposer{{ID: store.ProposerID{8}, Number: 5, Time: 1_700_000_001_000}},
			Requests:  []store.KnownRequest{{Key: godwit.RequestKey{9}, Revision: 1001, Time: 1_700_000_000_000}},
		},
		"known-nothing": &feed.Known{Proposers: []store.KnownProposer{}, Requests: []store.KnownRequest{}},
	}
}

// TestFrameGolden holds the bytes. With --rewrite it writes down what they are.
func TestFrameGolden(t *testing.T) {
	all := samples()
	datadriven.Walk(t, "testdata/frames", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, td *datadriven.TestData) string {
			f, ok := all[td.Cmd]
			if !ok {
				t.Fatalf("%s: no such frame", td.Pos)
			}
			return hex.Dump(frames(t, f))
		})
	})
}

func TestFramesComeBack(t *testing.T) {
	for name, want := range samples() {
		for _, b := range [][]byte{frames(t, want), feed.Compress(frames(t, want))} {
			got, err := feed.ReadFrame(bytes.NewReader(b))
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%s: error %v, (-sent +got):\n%s", name, err, diff)
			}
		}
	}
}

// TestFramesDamaged holds that no frame that was cut, or of which one bit is
// another, is taken.
func TestFramesDamaged(t *testing.T) {
	all := samples()
	all["compressed"] = manyRecords(100)
	for name, f := range all {
		b := feed.Compress(frames(t, f))
		for n := range len(b) {
			_, err := feed.ReadFrame(bytes.NewReader(b[:n]))
			if want := io.ErrUnexpectedEOF; n > 0 && err != want || n == 0 && err != io.EOF {
				t.Errorf("%s: cut after %d bytes: %v", name, n, err)
			}
		}
		for bit := range 8 * len(b) {
			damaged := bytes.Clone(b)
			damaged[bit/8] ^= 1 << (bit % 8)
			if got, err := feed.ReadFrame(bytes.NewReader(damaged)); err == nil {
				t.Fatalf("%s: bit %d flipped: %+v", name, bit, got)
			}
		}
	}
}

// manyRecords is a frame that is worth compressing.
func manyRecords(n int) *feed.Records {
	f := &feed.Records{Prev: 1, Revision: godwit.Revision(n + 1), Records: []godwit.Record{}}
	for i := range n {
		f.Records = append(f.Records, godwit.Record{
			Mutation: godwit.Mutation{
				Op: godwit.OpPut, Namespace: godwit.NamespaceID{1}, Key: strings.Repeat("k", 1+i%7),
				Value: godwit.Value{Inline: bytes.Repeat([]byte("value"), 20)},
			},
			Revision: godwit.Revision(i + 2), Created: 1, Modified: 1,
		})
	}
	return f
}

func TestCompression(t *testing.T) {
	long, short := frames(t, manyRecords(1000)), frames(t, manyRecords(1))
	if got := feed.Compress(long); len(got) > len(long)/4 {
		t.Errorf("%d bytes became %d", len(long), len(got))
	}
	if got := feed.Compress(short); !bytes.Equal(got, short) {
		t.Errorf("a frame of %d bytes was compressed", len(short))
	}
	noise := manyRecords(1)
	noise.Records[0].Value.Inline = make([]byte, 64<<10)
	for i := range noise.Records[0].Value.Inline {
		noise.Records[0].Value.Inline[i] = byte(i * i * i >> 3 * (i ^ 0x55) >> 2)
	}
	got, err := feed.ReadFrame(bytes.NewReader(feed.Compress(frames(t, noise))))
	if diff := cmp.Diff(feed.Frame(noise), got); err != nil || diff != "" {
		t.Errorf("noise: %v\n%s", err, diff)
	}
}

// sealed is a frame of any kind, flags and payload with a checksum that is right.
func sealed(kind, flags byte, payload []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(payload)))
	b = append(b, kind, flags)
	sum := crc32.Checksum(append([]byte{kind, flags}, payload...), crc32.MakeTable(crc32.Castagnoli))
	return append(binary.BigEndian.AppendUint32(b, sum), payload...)
}

// TestFramesThatAreRefused walks what a checksum does not tell.
func TestFramesThatAreRefused(t *testing.T) {
	hello := func(change func(*feed.Hello)) []byte {
		h := *samples()["hello-partial"].(*feed.Hello)
		change(&h)
		return frames(t, &h)
	}
	for name, b := range map[string][]byte{
		"unknown kind":             sealed(9, 0, nil),
		"too much known":           sealed(8, 0, []byte{0xff, 0xff, 0x03}),
		"proposer cut":             sealed(8, 0, []byte{1, 2, 3, 4}),
		"state without place":      sealed(7, 0, make([]byte, 18)),
		"place too long":           frames(t, &feed.State{Place: make([]byte, 4097)}),
		"no kind":                  sealed(0, 0, nil),
		"unknown flag":             sealed(3, 2, []byte{1, 1, 1}),
		"too long":                 {0xff, 0xff, 0xff, 0xff, 3, 0, 0, 0, 0, 0},
		"not compressed":           sealed(3, 1, []byte{1, 1, 1}),
		"more than a frame":        sealed(3, 0, []byte{1, 1, 1, 1}),
		"records out of thin":      sealed(2, 0, append([]byte{1, 2, 3, 0}, 0xff, 0xff, 0x03)),
		"neither yes nor no":       sealed(2, 0, []byte{1, 2, 3, 2, 0}),
		"unknown page flag":        sealed(6, 0, []byte{1, 1, 4, 0}),
		"unknown version":          sealed(1, 0, []byte{2}),
		"another version":          sealed(1, 0, append([]byte{5}, frames(t, samples()["hello-generation"])[feed.HeadBytes+1:]...)),
		"an old version":           sealed(1, 0, append([]byte{3}, frames(t, samples()["hello-generation"])[feed.HeadBytes+1:]...)),
		"generations back":         hello(func(h *feed.Hello) { h.Lineage = godwit.Lineage{{First: 2, Generation: 6}, {First: 3, Generation: 5}} }),
		"generation too high":      hello(func(h *feed.Hello) { h.Lineage = godwit.Lineage{{First: 2, Generation: godwit.MaxGeneration + 1}} }),
		"generation not asked for": hello(func(h *feed.Hello) { h.Lineage = godwit.Lineage{{First: 2, Generation: godwit.MaxGeneration/2 + 1}} }),
		"epoch without a first":    hello(func(h *feed.Hello) { h.Lineage = godwit.Lineage{{First: 0}} }),
		"epoch before the last":    hello(func(h *feed.Hello) { h.Lineage = godwit.Lineage{{First: 5}, {First: 9, After: 4}} }),
		"too many epochs":          hello(func(h *feed.Hello) { h.Lineage = manyEpochs(1<<16 + 1) }),
		"no cluster":               hello(func(h *feed.Hello) { h.Cluster = "" }),
		"another cluster's name":   hello(func(h *feed.Hello) { h.Cluster = strings.Repeat("x", 32) }),
		"a cluster in capitals":    hello(func(h *feed.Hello) { h.Cluster = strings.Repeat("A", 32) }),
		"a long cluster":           hello(func(h *feed.Hello) { h.Cluster = strings.Repeat("a", 34) }),
		"gone, and never expired": frames(t, &feed.Records{Prev: 1, Revision: 2, Records: []godwit.Record{{
			Mutation: godwit.Mutation{Op: godwit.OpPut, Namespace: godwit.NamespaceID{1}, Key: "k"}, Revision: 2, Swept: true,
		}}}),
		"epochs out of order":     hello(func(h *feed.Hello) { h.Lineage = godwit.Lineage{{First: 2}, {First: 2}} }),
		"namespaces unordered":    hello(func(h *feed.Hello) { h.Carries.Namespaces = []godwit.NamespaceID{{2}, {1}} }),
		"namespaces twice":        hello(func(h *feed.Hello) { h.Carries.Namespaces = []godwit.NamespaceID{{2}, {2}} }),
		"jurisdictions unordered": hello(func(h *feed.Hello) { h.Carries.Jurisdictions = []string{"us", "eu"} }),
		"jurisdiction twice":      hello(func(h *feed.Hello) { h.Carries.Jurisdictions = []string{"eu", "eu"} }),
		"no jurisdiction":         hello(func(h *feed.Hello) { h.Carries.Jurisdictions = []string{""} }),
		"jurisdiction too long":   hello(func(h *feed.Hello) { h.Carries.Jurisdictions = []string{strings.Repeat("x", 33)} }),
		"too many jurisdictions":  hello(func(h *feed.Hello) { h.Carries.Jurisdictions = strings.Split("a b c d e f g h i j k l m n o p q", " ") }),
		"text too long":           hello(func(h *feed.Hello) { h.Location = strings.Repeat("x", 257) }),
		"revision too high":       sealed(3, 0, append(binary.AppendUvarint(nil, uint64(godwit.MaxRevision+1)), 1, 1)),
	} {
		if f, err := feed.ReadFrame(bytes.NewReader(b)); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
}

// manyEpochs is a lineage in order.
func manyEpochs(n int) godwit.Lineage {
	l := make(godwit.Lineage, n)
	for i := range l {
		l[i] = godwit.Epoch{ID: godwit.EpochID{byte(i), byte(i >> 8), byte(i >> 16)}, First: godwit.Revision(i + 1)}
	}
	return l
}

// TestLongLineage: a centre that was started anew again and again is followed.
func TestLongLineage(t *testing.T) {
	want := &feed.Hello{Cluster: strings.Repeat("ab", 16), Lineage: manyEpochs(1 << 16), Carries: feed.Filter{Jurisdictions: []string{}}}
	got, err := feed.ReadFrame(bytes.NewReader(frames(t, want)))
	if diff := cmp.Diff(feed.Frame(want), got); err != nil || diff != "" {
		t.Errorf("error %v, (-sent +got):\n%.1000s", err, diff)
	}
}

// TestFrameBounds holds that what cannot be read is not sent.
func TestFrameBounds(t *testing.T) {
	many := &feed.Records{Records: make([]godwit.Record, feed.MaxFrameRecords+1)}
	large := manyRecords(33)
	for i := range large.Records {
		large.Records[i].Value.Inline = make([]byte, godwit.MaxInlineBytes)
	}
	for name, f := range map[string]feed.Frame{"records": many, "bytes": large} {
		before := []byte("before")
		if b, err := feed.AppendFrame(before, f); err == nil || !bytes.Equal(b, before) {
			t.Errorf("too many %s: %d bytes, %v", name, len(b), err)
		}
	}
}

// TestFrameBomb holds that what decompresses to more than a frame is refused.
func TestFrameBomb(t *testing.T) {
	small := feed.Compress(frames(t, &feed.Page{Records: []godwit.Record{{Mutation: godwit.Mutation{
		Op: godwit.OpPut, Key: "k", Value: godwit.Value{Inline: make([]byte, 16<<20)},
	}, Revision: 1}}}))
	payload := small[feed.HeadBytes:]
	b := sealed(6, 1, bytes.Repeat(payload, 3)) // zstd frames one behind the other
	if f, err := feed.ReadFrame(bytes.NewReader(b)); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("%T, %v", f, err)
	}
}

// FuzzPayload holds that what is taken comes back the same.
func FuzzPayload(f *testing.F) {
	for _, frame := range samples() {
		b, err := feed.AppendFrame(nil, frame)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[4], b[feed.HeadBytes:])
	}
	f.Fuzz(func(t *testing.T, kind uint8, payload []byte) {
		got, err := feed.DecodePayload(kind, payload)
		if err != nil {
			return
		}
		again, err := feed.ReadFrame(bytes.NewReader(frames(t, got)))
		if diff := cmp.Diff(got, again); err != nil || diff != "" {
			t.Errorf("error %v, (-first +again):\n%s", err, diff)
		}
	})
}

// FuzzFrame holds that nothing makes reading do more than fail.
func FuzzFrame(f *testing.F) {
	for _, frame := range samples() {
		b, err := feed.AppendFrame(nil, frame)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(feed.Compress(b))
	}
	f.Add(sealed(3, 1, []byte{0x28, 0xb5, 0x2f, 0xfd}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := feed.ReadFrame(bytes.NewReader(b)); (got == nil) == (err == nil) {
			t.Errorf("%v, %v", got, err)
		}
		if len(b) > feed.HeadBytes { // with a checksum that is right, more of it is looked at
			_, _ = feed.ReadFrame(bytes.NewReader(sealed(b[4], b[5], b[feed.HeadBytes:])))
		}
	})
}
