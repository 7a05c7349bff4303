package feed

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/store"
)

// ask is what a follower wants to be sent, and is.
type ask struct {
	query     url.Values
	principal *catalog.Principal
	filter    *filter
	refusal   *End // why it will not be; nil: it will
}

// newAsk reads what all requests for frames have in common. Errors, for the
// answer to the request: CodeForbidden, CodeInvalidRequest, CodeUnavailable.
func (s *Server) newAsk(r *http.Request, p *catalog.Principal) (*ask, error) {
	if s.cfg.Catalog() == nil {
		return nil, godwit.Errorf(godwit.CodeUnavailable, "This node is starting.")
	}
	if err := mayFollow(p); err != nil {
		return nil, err
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, godwit.Errorf(godwit.CodeInvalidRequest, "The query is malformed.")
	}
	q := &ask{query: query, principal: p}
	var f Filter
	if text := query.Get("max_value"); text != "" {
		f.MaxValue, err = strconv.ParseInt(text, 10, 64)
		if err != nil || f.MaxValue < 1 {
			return nil, godwit.Errorf(godwit.CodeInvalidRequest, "max_value must be a positive number.")
		}
	}
	s.ring.bounds.learn()
	if f.Jurisdictions, err = s.askJurisdictions(query); err != nil {
		return nil, err
	}
	if err := s.askNamespaces(r.Context(), q, &f); err != nil {
		return nil, err
	}
	q.filter = newFilter(f, scopeOf(p))
	q.check(s)
	return q, q.checkGeneration(s)
}

// askNamespaces sets what is asked for: names given, or all that the token may.
func (s *Server) askNamespaces(ctx context.Context, q *ask, f *Filter) error {
	if !q.query.Has("namespaces") {
		f.Namespaces = scopeOf(q.principal)
		return nil
	}
	refs := strings.Split(q.query.Get("namespaces"), ",")
	if len(refs) > godwit.MaxNamespaces {
		return godwit.Errorf(godwit.CodeInvalidRequest, "namespaces names more than %d.", godwit.MaxNamespaces)
	}
	f.Namespaces = make([]godwit.NamespaceID, 0, len(refs))
	for _, ref := range refs {
		id, err := s.namespace(ctx, ref)
		switch {
		case ref == "":
		case errors.Is(err, godwit.ErrNamespaceNotFound), err == nil && !mayReplicate(q.principal, id):
			q.refuseNamespace(ref)
		case err != nil:
			return err
		case !f.Admits(s.ring.bounds.jurisdiction(id)):
			j := s.ring.bounds.jurisdiction(id)
			q.refuse(EndRefused, "namespace "+strconv.QuoteToASCII(clipText(ref))+" is of jurisdiction "+j+", which the follower may not carry: start it with --jurisdiction "+j)
		default:
			f.Namespaces = append(f.Namespaces, id)
		}
	}
	slices.SortFunc(f.Namespaces, compareNamespaces)
	f.Namespaces = slices.Compact(f.Namespaces)
	return nil
}

// ownJurisdictions asks for whatever the node itself carries.
const ownJurisdictions = "*"

// askJurisdictions is of which jurisdictions a follower may carry namespaces, never
// nil: who says nothing may of none. Error: CodeInvalidRequest.
func (s *Server) askJurisdictions(query url.Values) ([]string, error) {
	text := query.Get("jurisdictions")
	switch text {
	case "":
		return []string{}, nil
	case ownJurisdictions:
		if s.cfg.Carries != nil {
			if own := s.cfg.Carries().Jurisdictions; own != nil {
				return own, nil
			}
		}
		return godwit.Jurisdictions(), nil
	}
	all := strings.Split(text, ",")
	if len(all) > maxJurisdictions {
		return nil, godwit.Errorf(godwit.CodeInvalidRequest, "jurisdictions names more than %d.", maxJurisdictions)
	}
	for _, j := range all {
		if err := godwit.ValidateJurisdiction(j); err != nil || j == "" {
			return nil, godwit.Errorf(godwit.CodeInvalidRequest, "jurisdictions must be of %s.", strings.Join(godwit.Jurisdictions(), ", "))
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// namespace is the namespace that a name means. An id means itself: what was
// deleted, or is not made yet, has nothing to carry.
func (s *Server) namespace(ctx context.Context, ref string) (godwit.NamespaceID, error) {
	if id, err := godwit.ParseNamespaceID(ref); err == nil {
		return id, nil
	}
	ns, err := s.cfg.Catalog().Resolve(ctx, []byte(ref))
	if err != nil {
		return godwit.NamespaceID{}, err
	}
	return ns.ID, nil
}

func (q *ask) refuse(reason EndReason, message string) {
	if q.refusal == nil {
		q.refusal = &End{Reason: reason, Message: message}
	}
}

// refuseNamespace says the same of a namespace that is not there and of one that the
// token is not for: a title is not to be guessed.
func (q *ask) refuseNamespace(ref string) {
	message := "there is no namespace " + strconv.QuoteToASCII(clipText(ref))
	if scopeOf(q.principal) != nil {
		message += " that the token is for"
	}
	q.refuse(EndRefused, message)
}

func mayReplicate(p *catalog.Principal, id godwit.NamespaceID) bool {
	return catalog.Authorize(p, godwit.PermissionReplicate, &godwit.Namespace{ID: id}) == nil
}

// check refuses what this node does not carry itself, and who holds data of
// another cluster.
func (q *ask) check(s *Server) {
	if own := s.cfg.Store.Cluster(); q.query.Get("cluster") != "" && q.query.Get("cluster") != own {
		q.refuse(EndRefused, "this is cluster "+own+", and the follower is of cluster "+printable(q.query.Get("cluster")))
	}
	if s.cfg.Carries == nil {
		return
	}
	own := s.cfg.Carries()
	if j := own.missing(q.filter.Jurisdictions); j != "" {
		q.refuse(EndRefused, "this node does not carry namespaces of jurisdiction "+j+", which the follower is for: let it follow one that does")
	}
	if !own.covers(&q.filter.Filter) {
		q.refuse(EndRefused, "this node carries less than is asked for")
	}
}

// mayFollow tells whether a token may follow at all. Error: ErrForbidden.
func mayFollow(p *catalog.Principal) error { return may(p, godwit.PermissionReplicate) }

// may tells whether a token has a permission, be it for a few namespaces. Error:
// ErrForbidden.
func may(p *catalog.Principal, need godwit.Permission) error {
	if scope := scopeOf(p); scope != nil {
		return catalog.Authorize(p, need, &godwit.Namespace{ID: scope[0]})
	}
	return catalog.Authorize(p, need, nil)
}

// scopeOf is the namespaces that a token is limited to, sorted; nil: none.
func scopeOf(p *catalog.Principal) []godwit.NamespaceID {
	if p == nil || p.Root || p.Token == nil || len(p.Token.Namespaces) == 0 {
		return nil
	}
	return slices.SortedFunc(slices.Values(p.Token.Namespaces), compareNamespaces)
}

// parsePosition reads "<epoch in hexadecimal>:<revision>"; "" is the zero
// position. Error: CodeInvalidRequest.
func parsePosition(text string) (p godwit.Position, err error) {
	if text == "" {
		return p, nil
	}
	epoch, revision, _ := strings.Cut(text, ":")
	id, hexErr := hex.DecodeString(epoch)
	p.Revision, err = godwit.ParseRevision(revision)
	if err != nil || hexErr != nil || len(id) != len(p.Epoch) {
		return godwit.Position{}, godwit.Errorf(godwit.CodeInvalidRequest, "after must be an epoch and a revision.")
	}
	copy(p.Epoch[:], id)
	return p, nil
}

// parsePlace reads what formatPlace wrote; "" is before all places. Error:
// CodeInvalidRequest.
func parsePlace(text string) (*store.Place, error) {
	if text == "" {
		return nil, nil
	}
	namespace, key, _ := strings.Cut(text, "/")
	id, err := hex.DecodeString(namespace)
	b, keyErr := base64.RawURLEncoding.DecodeString(key)
	if err != nil || keyErr != nil || len(id) != len(godwit.NamespaceID{}) || len(b) > godwit.MaxKeyBytes {
		return nil, godwit.Errorf(godwit.CodeInvalidRequest, "after must be a namespace and a key.")
	}
	return &store.Place{Namespace: godwit.NamespaceID(id), Key: string(b)}, nil
}

// clipText bounds what goes into a frame of a text from outside.
func clipText(s string) string { return s[:min(len(s), maxTextBytes)] }
