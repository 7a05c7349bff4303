package nats

import "context"

// Counts tells whether this process's server, if there is one, is one of those that the
// stream is kept by, as far as the others. Until then the stream may be without a quorum
// once another is stopped, though a majority runs: NATS moves what a removed server had to
// a new one in steps, and one that was cut off gets again what it lacks.
func (s *Stream) Counts(ctx context.Context) (bool, error) {
	if s.conn.cfg.Server == nil {
		return true, nil
	}
	i, err := s.info(ctx)
	if err != nil {
		return false, err
	}
	if err := i.Cluster.led(); err != nil {
		return false, err
	}
	return s.counts(i), nil
}

func (s *Stream) counts(i *info) bool {
	own := s.conn.cfg.Server
	return own == nil || own.current() && i.Cluster.counts(own.Name(), s.cfg.Replicas)
}

// current tells whether the server has all that it keeps for the cluster, as far as it
// knows: one that is getting it can neither lead nor be counted for a majority.
func (s *Server) current() bool {
	for g := range s.groups() {
		if g.CatchingUp || g.Paused || g.Leader == "" {
			return false
		}
	}
	return true
}

// counts tells whether a server is a replica as good as the others, or, of more servers
// than the stream needs, one that is not needed.
func (c *clusterInfo) counts(server string, replicas int) bool {
	if c == nil || c.Leader == server {
		return true
	}
	if c.Desired != nil { // it is being moved
		return false
	}
	whole := len(c.Replicas) == replicas-1
	for _, r := range c.Replicas {
		if r.Name == server {
			return r.Current && !r.Pending && !r.Offline
		}
		whole = whole && !r.Pending && !r.Offline
	}
	return whole
}
