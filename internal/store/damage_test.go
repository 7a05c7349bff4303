package store_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

// TestLostVersion: the file of an earlier version's value that is lost is told of as the
// file of an entry's is, to the reader and to who mends, and can be read once it is back;
// only of a version that has gone it is told that it was replaced.
func TestLostVersion(t *testing.T) {
	for name, test := range map[string]struct {
		follower bool
		code     godwit.Code
		end      godwit.Mutation
	}{
		"replaced, at an owner":   {false, godwit.CodeDamaged, put(ns1, "k", "new")},
		"deleted, at an owner":    {false, godwit.CodeDamaged, del(ns1, "k")},
		"replaced, at a follower": {true, godwit.CodeUnavailable, put(ns1, "k", "new")},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(t, store.Config{Follower: test.follower, History: true, InlineBytes: 3000, BlobGrace: time.Second})
			var told []store.Damage
			d.SetOnDamaged(func(x store.Damage) { x.Err = nil; told = append(told, x) })
			value := strings.Repeat("b", 5000)
			d.write(keeping(ns1, "10s"))
			r := d.write(d.putBlob(ns1, "k", value))
			d.write(test.end)
			v, err := d.Version(ctx, ns1, "k", r)
			if err != nil {
				t.Fatal(err)
			}
			read := func() (string, error) {
				src, err := d.OpenValue(ctx, ns1, &v.Entry)
				if err != nil {
					return "", err
				}
				defer src.Close()
				b, err := io.ReadAll(src)
				return string(b), err
			}
			if err := d.RemoveBlob(v.Value.Blob.ID); err != nil {
				t.Fatal(err)
			}
			if _, err := read(); godwit.CodeOf(err) != test.code || godwit.MessageOf(err) == godwit.ErrReplaced.Message {
				t.Errorf("the file is lost: %v", err)
			}
			want := []store.Damage{{Namespace: ns1, Key: "k", Revision: r, Blob: v.Value.Blob}}
			if diff := cmp.Diff(want, told); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
			if err := d.ImportBlob(ctx, v.Value.Blob, strings.NewReader(value)); err != nil {
				t.Fatal(err)
			}
			if got, err := read(); err != nil || got != value {
				t.Errorf("once it is back: %d bytes, %v", len(got), err)
			}
			for range 3 { // the version goes, then its file
				d.clock.advance(20 * time.Second)
				d.sweep()
			}
			if _, err := read(); godwit.MessageOf(err) != godwit.ErrReplaced.Message {
				t.Errorf("the version has gone: %v", err)
			}
			if len(told) != 1 {
				t.Errorf("told %d times", len(told))
			}
		})
	}
}
