package edge

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/pause"
)

const (
	// maxUploads bounds how many uploads are remembered. The content of any other
	// is fetched back from upstream.
	maxUploads = 1024
	// uploadGrace is for how long the content of an upload stays once its
	// transaction was decided: the record that names it may still be on its way.
	uploadGrace = 30 * time.Second
)

// uploads remembers values that were uploaded here and are on their way to the
// log: they come back under an id that the log's owner gave them. The zero value
// is empty.
type uploads struct {
	mu  sync.Mutex
	all []upload
}

type upload struct {
	blob    godwit.Blob
	decided time.Time // zero: not yet
}

func (u *uploads) add(b godwit.Blob) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.all) < maxUploads {
		u.all = append(u.all, upload{blob: b})
	}
}

// find returns an upload with b's content.
func (u *uploads) find(b godwit.Blob) (from godwit.Blob, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	i := slices.IndexFunc(u.all, func(up upload) bool { return up.blob.Hash == b.Hash && up.blob.Size == b.Size })
	if i < 0 {
		return from, false
	}
	return u.all[i].blob, true
}

// decided notes that an upload's transaction was decided. It is false for one
// that is not remembered.
func (u *uploads) decided(id godwit.BlobID) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	i := slices.IndexFunc(u.all, func(up upload) bool { return up.blob.ID == id })
	if i < 0 {
		return false
	}
	u.all[i].decided = time.Now()
	return true
}

// forget drops an upload.
func (u *uploads) forget(id godwit.BlobID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.all = slices.DeleteFunc(u.all, func(up upload) bool { return up.blob.ID == id })
}

// expired drops the uploads whose grace is over, and returns them.
func (u *uploads) expired() (over []godwit.Blob) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.all = slices.DeleteFunc(u.all, func(up upload) bool {
		is := !up.decided.IsZero() && time.Since(up.decided) >= uploadGrace
		if is {
			over = append(over, up.blob)
		}
		return is
	})
	return over
}

// uploaded tells of a value that was uploaded here: a record with the same
// content need not be fetched.
func (v *values) uploaded(b godwit.Blob) { v.uploads.add(b) }

// decided tells that the transaction which names an upload was decided. The
// content goes a while after that.
func (v *values) decided(b godwit.Blob) {
	if !v.uploads.decided(b.ID) {
		v.store.Discard(godwit.Value{Blob: b})
	}
}

// discard drops an upload that no transaction will name.
func (v *values) discard(b godwit.Blob) {
	v.uploads.forget(b.ID)
	v.store.Discard(godwit.Value{Blob: b})
}

// uploadLoop discards uploads whose grace is over. Those that a crash leaves the
// store discards when it opens.
func (v *values) uploadLoop(ctx context.Context) error {
	for pause.For(ctx, uploadGrace/3) {
		for _, b := range v.uploads.expired() {
			v.store.Discard(godwit.Value{Blob: b})
		}
	}
	return nil
}
