package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	natsgo "github.com/nats-io/nats.go"

	"github.com/godwitkv/godwit/internal/pause"
)

var errConflict = errors.New("the value was changed meanwhile")

// wantedBucket is the configuration of the stream behind the registry: that of a KV
// bucket, so that the tools of NATS show it.
func (r *Registry) wantedBucket() object {
	return object{
		"name": bucketStream(r.cfg.Cluster), "subjects": []any{bucketSubject(r.cfg.Cluster, ">")},
		"description": "the members of the godwit cluster " + r.cfg.Cluster,
		"retention":   "limits", "storage": "file", "num_replicas": float64(r.cfg.Replicas), "compression": "none",
		"discard": "new", "max_bytes": float64(registryMaxBytes),
		"max_consumers": float64(-1), "max_msgs": float64(-1), "max_msgs_per_subject": float64(1), "max_msg_size": float64(-1),
		"duplicate_window": float64(duplicates), "deny_delete": true, "allow_rollup_hdrs": true,
	}
}

func bucketSubject(cluster, key string) string { return "$KV." + bucketName(cluster) + "." + key }

// ensure makes the bucket if there is none, and refuses one that is not as it must
// be.
func (r *Registry) ensure(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.there {
		return nil
	}
	i, name := new(info), bucketStream(r.cfg.Cluster)
	err := r.conn.api(ctx, "$JS.API.STREAM.INFO."+name, nil, i)
	if hasCode(err, codeNotFound) {
		err = r.conn.api(ctx, "$JS.API.STREAM.CREATE."+name, r.wantedBucket(), i)
	}
	if err != nil {
		return fmt.Errorf("open registry: %w", err)
	}
	if different := differences(i.Config, r.wantedBucket()); len(different) > 0 {
		return differentError(name, different)
	}
	r.there = true
	return nil
}

// get returns what the leader has under a key, nil if nothing, and the sequence
// that a change must name.
func (r *Registry) get(ctx context.Context, key string) ([]byte, uint64, error) {
	if err := r.ensure(ctx); err != nil {
		return nil, 0, err
	}
	var answer struct {
		Message struct {
			Sequence uint64 `json:"seq"`
			Header   []byte `json:"hdrs"`
			Data     []byte `json:"data"`
		} `json:"message"`
	}
	request := object{"last_by_subj": bucketSubject(r.cfg.Cluster, key)}
	err := r.conn.api(ctx, "$JS.API.STREAM.MSG.GET."+bucketStream(r.cfg.Cluster), request, &answer)
	if hasCode(err, codeNoMessage) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read registry: %w", err)
	}
	return answer.Message.Data, answer.Message.Sequence, nil
}

// put replaces what stands under a key since a sequence. Error: errConflict.
func (r *Registry) put(ctx context.Context, key string, value []byte, since uint64) error {
	if err := r.conn.connection(); err != nil {
		return fmt.Errorf("write registry: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, r.conn.cfg.Timeout)
	defer cancel()
	m := natsgo.NewMsg(bucketSubject(r.cfg.Cluster, key))
	m.Header.Set("Nats-Expected-Last-Subject-Sequence", strconv.FormatUint(since, 10))
	m.Data = value
	err := r.conn.store(ctx, m)
	for errors.Is(err, errNoLeader) { // it was made a moment ago, or elects
		if !pause.For(ctx, conflictPause) {
			err = ctx.Err()
			break
		}
		err = r.conn.store(ctx, m)
	}
	switch {
	case hasCode(err, codeWrongLast, codeConflict):
		return errConflict
	case err != nil:
		return fmt.Errorf("write registry: %w", err)
	}
	return nil
}
