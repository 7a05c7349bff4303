package dashboard

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

// maxFormBytes bounds a form without files: a text of maxEditBytes fits, however it
// is encoded.
const maxFormBytes = 2 << 20

// call is one request of who is signed in. Its context carries the credential.
type call struct {
	*http.Request
	w         http.ResponseWriter
	session   *session
	principal *catalog.Principal
	query     url.Values
	outdated  bool // the form is from a page of another session: it may be shown again, and no more
}

// signedIn has an action carried out for who is signed in, after a form's token was
// checked, and leads everyone else to the sign-in.
func (d *Dashboard) signedIn(do action) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		one, err := d.seal().of(r)
		if err != nil {
			d.leadToSignIn(w, r)
			return
		}
		p, err := d.cfg.Service.Authenticate(r.Context(), remote(r), []byte(one.Token))
		if errors.Is(err, godwit.ErrUnauthenticated) {
			d.seal().take(w, r)
			d.leadToSignIn(w, r)
			return
		}
		r = r.WithContext(godwit.WithCredential(r.Context(), one.Token))
		c := &call{Request: r, w: w, session: one, principal: p, query: r.URL.Query()}
		if err == nil {
			err = d.checkPost(c)
		}
		if err == nil {
			err = do(d, c)
		}
		if err != nil {
			d.fail(c, err)
		}
	}
}

// checkPost checks that a POST comes from a page of this session. Of forms with a file,
// which are read as they come, the token is left to who reads it. A text to save from a page
// of an earlier session is let through as outdated.
func (d *Dashboard) checkPost(c *call) error {
	if c.Method == http.MethodGet || c.Method == http.MethodHead {
		return nil
	}
	if err := d.checkOrigin(c.Request); err != nil {
		return err
	}
	if (c.URL.Path == uploadPath || c.URL.Path == importPath) && strings.HasPrefix(c.Header.Get("Content-Type"), "multipart/form-data") {
		return nil
	}
	if err := parseForm(c.w, c.Request, maxFormBytes); err != nil {
		return err
	}
	given := c.PostForm.Get("csrf")
	err := d.checkFormToken(c.session, given)
	if err != nil && c.URL.Path == savePath && d.seal().formTokenOfAny(given) {
		c.outdated, err = true, nil
	}
	return err
}

// checkOrigin refuses what another site's page sends. Browsers that do not say where
// a request is from, as they do not without TLS, send an origin of "null" for a page
// that has no referrer, as ours have none: then the form's token alone decides.
func (d *Dashboard) checkOrigin(r *http.Request) error {
	if r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "null" {
		return nil
	}
	if err := d.origin.Check(r); err != nil {
		return errForeign()
	}
	return nil
}

func (d *Dashboard) checkFormToken(one *session, given string) error {
	if !d.seal().formTokenFits(one, given) {
		return errForeign()
	}
	return nil
}

func errForeign() error {
	return &problem{
		status: http.StatusForbidden, title: "Not from this page",
		text: "The request did not come from a page of this session, so nothing was done. Go back, reload the page and try again.",
	}
}

func parseForm(w http.ResponseWriter, r *http.Request, limit int64) error {
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	err := r.ParseForm()
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return &problem{
			status: http.StatusRequestEntityTooLarge, title: "Too much text",
			text: "The form is too large. Upload the value as a file instead.",
		}
	case err != nil:
		return &problem{status: http.StatusBadRequest, title: "Malformed form", text: "The form could not be read."}
	}
	return nil
}

// leadToSignIn sends a page's visitor to the sign-in, and back afterwards. What a
// script asks for is refused.
func (d *Dashboard) leadToSignIn(w http.ResponseWriter, r *http.Request) {
	to := "/"
	if r.Method == http.MethodGet && r.Header.Get("HX-Request") == "" {
		to += "?next=" + url.QueryEscape(r.URL.RequestURI())
	}
	switch {
	case r.Header.Get("HX-Request") != "":
		w.Header().Set("HX-Redirect", "/?ended=1")
		w.WriteHeader(http.StatusUnauthorized)
	case r.Method == http.MethodPost && r.URL.Path == savePath && d.keepText(w, r):
	case r.URL.Path == samplesPath || r.URL.Path == liveEventsPath || r.URL.Path == progressPath:
		http.Error(w, "Sign in.", http.StatusUnauthorized)
	default:
		http.Redirect(w, r, to, http.StatusSeeOther)
	}
}

// byScript tells whether a script asks for a part of a page.
func (c *call) byScript() bool { return c.Header.Get("HX-Request") != "" }

// may tells whether who is signed in may do what need stands for.
func (c *call) may(need godwit.Permission, ns *godwit.Namespace) bool {
	return catalog.Authorize(c.principal, need, ns) == nil
}

// namespace finds the one in the query and asks whether the token reaches it. One
// that it is not for looks the same to it whether it exists or not.
func (d *Dashboard) namespace(c *call, need godwit.Permission) (*godwit.Namespace, error) {
	id, err := godwit.ParseNamespaceID(c.query.Get("ns"))
	if err != nil {
		return nil, &problem{status: http.StatusNotFound, title: "No such namespace", text: "The address names no namespace."}
	}
	if err := catalog.Authorize(c.principal, need, &godwit.Namespace{ID: id}); err != nil {
		return nil, err
	}
	return d.cfg.Service.Catalog().Namespace(c.Context(), id)
}

// seeOther ends an action by leading to a page.
func (c *call) seeOther(to string) error {
	http.Redirect(c.w, c.Request, to, http.StatusSeeOther)
	return nil
}

// address is that of a page with parameters, given as names and values in turn. A
// value may be any bytes.
func address(page string, pairs ...string) string {
	query := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	if len(query) == 0 {
		return Prefix + page
	}
	return Prefix + page + "?" + query.Encode()
}
