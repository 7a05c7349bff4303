package olddata

import (
	"context"
	"errors"
	"os"
	"strings"
)

// member makes a member's directory of a copy of the centre's, if the program knows how. It
// is restarted, so that its NATS has what was written before and what came after.
func (w *writer) member(ctx context.Context) error {
	if !w.knows(ctx, "--cluster-peers", "serve") {
		return nil
	}
	const name = "member"
	if err := os.CopyFS(w.path(name), os.DirFS(w.path("centre"))); err != nil {
		return err
	}
	for _, end := range []func(*node) error{(*node).stop, (*node).kill} {
		if err := w.runMember(ctx, w.path(name), end); err != nil {
			return err
		}
	}
	w.content.Directories = append(w.content.Directories, Directory{Name: name, Kind: Member, Kept: true})
	return nil
}

// runMember runs a member, to which what is there is written once more, and ends it.
func (w *writer) runMember(ctx context.Context, dir string, end func(*node) error) (err error) {
	w.node, err = start(ctx, w.program, dir, MemberArgs(w.listen)...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end(w.node)) }()
	for _, e := range entries {
		if e.key == "replaced" || strings.HasPrefix(e.key, "deleted/") {
			continue
		}
		if err := w.put(ctx, e.key, e.value, e.metadata, e.expiration); err != nil {
			return err
		}
	}
	return nil
}

// MemberArgs are the flags of a cluster's one member, whose others would reach it at an
// address.
func MemberArgs(listen string) []string {
	return []string{"--cluster", Cluster, "--node", Node, "--cluster-listen", listen, "--cluster-peers", Node + "=" + listen}
}
