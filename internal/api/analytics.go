package api

import (
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/analytics"
)

// done counts an operation of a namespace that began at start: among all, and among
// the namespace's own as what it did to keys keys, whose values are bytes long.
func (s *Service) done(o op, ns *godwit.Namespace, start time.Time, keys int, bytes int64, err error) {
	took, ended := s.metrics.done(o, start, err)
	s.analytics.Record(ns.ID, analytics.Request{
		Action: actionOf(o), At: start.Add(took), Took: took, Keys: keys, Bytes: bytes,
		Failed: ended == statusRefused || ended == statusFailed,
	})
}

func actionOf(o op) analytics.Action {
	switch o {
	case opGet, opBulkGet:
		return analytics.Read
	case opList:
		return analytics.List
	case opDelete, opBulkDelete:
		return analytics.Delete
	default:
		return analytics.Write
	}
}

// CountTransaction counts a transaction among its namespace's own writes; Transact has
// counted it among all.
func (s *Service) CountTransaction(ns *godwit.Namespace, start time.Time, keys int, err error) {
	took, ended := time.Since(start), statusOf(err)
	s.analytics.Record(ns.ID, analytics.Request{
		Action: analytics.Write, At: start.Add(took), Took: took, Keys: keys,
		Failed: ended == statusRefused || ended == statusFailed,
	})
}

// Analytics are what was asked of a namespace at this node in the last hour and the
// last day.
type Analytics struct {
	Since     time.Time // when the node began to count
	Hour, Day [analytics.Actions]analytics.Totals
}

// Analytics tells what was counted of a namespace. Error: CodeUnavailable, if more
// namespaces are in use here than are counted.
func (s *Service) Analytics(ns *godwit.Namespace) (Analytics, error) {
	a := Analytics{Since: s.started}
	var ok bool
	if a.Hour, a.Day, ok = s.analytics.Report(ns.ID, time.Now()); !ok {
		return a, godwit.Errorf(godwit.CodeUnavailable, "This node counts %d namespaces, and this is none of them.", analytics.MaxNamespaces)
	}
	return a, nil
}

// Ended tells that an API has answered a request. Those that were slow or failed are
// kept; an API need not tell of others: see analytics.IsNotable.
func (s *Service) Ended(one analytics.Notable) { s.notables.Add(one) }

// Notables are the latest requests at this node that were slow or failed, the latest
// first.
func (s *Service) Notables() []analytics.Notable { return s.notables.Latest() }
