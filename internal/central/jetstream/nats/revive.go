package nats

import (
	"context"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/godwitkv/godwit/internal/store"
)

// Where the disk is full NATS ends its part of the streams for good, and leaves the
// rest to who runs it. reviveRoom is how much must be free until it is begun again.
const (
	reviveEvery = time.Second
	reviveAfter = 5 * time.Second // the end takes some seconds itself
	reviveRoom  = 32 << 20
)

// revive begins the server's part of the streams again whenever it has ended and
// there is room, until ctx ends.
func (s *Server) revive(ctx context.Context, opts *server.Options) {
	tick := time.NewTicker(reviveEvery)
	defer tick.Stop()
	for ended := (time.Time{}); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		switch runs := s.server.JetStreamEnabled(); {
		case runs:
			ended = time.Time{}
			continue
		case ended.IsZero():
			ended = time.Now()
			s.cfg.Logger.Warn("nats server keeps nothing any more: its disk is full")
		}
		if u, err := store.Disk().GetDiskUsage(s.cfg.Dir); err == nil && u.AvailBytes < reviveRoom || time.Since(ended) < reviveAfter {
			continue
		}
		// Options that have not changed are how NATS is told to begin again.
		if err := s.server.ReloadOptions(opts.Clone()); err != nil {
			s.cfg.Logger.Warn("nats server does not begin again", logError, err.Error())
		} else if s.server.JetStreamEnabled() {
			s.cfg.Logger.Info("there is room on the disk: nats server keeps the log again")
		}
	}
}
