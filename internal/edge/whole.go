package edge

import (
	"errors"
	"fmt"
	"strings"

	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// Whole tells whether a store, of an edge or of a centre, holds every entry of one
// state of the log, nil if it does. Of values that are files it does not speak.
// Errors say what is missing.
func Whole(s *store.Store) error {
	n, err := readNote(s)
	if err != nil {
		return err
	}
	unfinished, err := feed.Unfinished(s)
	if err != nil {
		return err
	}
	follows, err := s.Follows()
	switch {
	case err != nil:
		return err
	case s.Revision() == 0:
		return errors.New("it holds nothing of any log")
	case unfinished, n.Reconciling != "":
		return errors.New("it was becoming a copy, and did not come to the end of it")
	case s.Mixed(), n.Ahead > s.Revision():
		return errors.New("it was catching up: it holds later writes without all of the earlier ones")
	case follows && !n.Copied:
		return errors.New("its first copy was not completed")
	case n.Carries != nil && n.Carries.Namespaces != nil:
		return fmt.Errorf("it carries some of the namespaces only: %s", carried(n.Carries))
	case n.Carries != nil:
		return lacksNone(s, n.Carries)
	}
	return nil
}

func carried(f *feed.Filter) string {
	if len(f.Namespaces) == 0 {
		return "none"
	}
	const most = 4
	var names []string
	for _, ns := range f.Namespaces[:min(len(f.Namespaces), most)] {
		names = append(names, ns.String())
	}
	if more := len(f.Namespaces) - most; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}
