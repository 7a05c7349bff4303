package nats

import (
	"context"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/godwitkv/godwit/internal/store"
)

// Where the disk is full, or cannot be written, NATS ends its part of the streams for good, and leaves the
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
			s.cfg.Logger.Warn("nats server keeps nothing any more: its disk is full or cannot be written")
		}
		if time.Since(ended) < reviveAfter || !s.hasRoom() {
			continue
		}
		// Options that have not changed are how NATS is told to begin again.
		if err := s.server.ReloadOptions(opts.Clone()); err != nil {
			s.cfg.Logger.Warn("nats server does not begin again", logError, err.Error())
		} else if s.server.JetStreamEnabled() {
			s.cfg.Logger.Info("nats server keeps the log again")
		}
	}
}

// hasRoom tells whether there is room on the disk, or that cannot be found out.
func (s *Server) hasRoom() bool {
	u, err := store.Disk().GetDiskUsage(s.cfg.Dir)
	return err != nil || u.AvailBytes >= reviveRoom
}
