package dashboard

import (
	"errors"
	"net/http"
	"strings"

	"github.com/godwitkv/godwit"
)

// maxNextBytes bounds the address that one is led to after signing in.
const maxNextBytes = 8 << 10

// maxSignInBytes bounds the form, which anyone can send.
const maxSignInBytes = 32 << 10

// front is the page of who has not signed in.
type front struct {
	Status  int
	Problem string
	Notice  string
	Next    string
	CSRF    string
}

// front shows the sign-in, or leads who is signed in to the pages.
func (d *Dashboard) front(w http.ResponseWriter, r *http.Request) {
	if one, err := d.seal().of(r); err == nil {
		_, err := d.cfg.Service.Authenticate(r.Context(), remote(r), []byte(one.Token))
		if !errors.Is(err, godwit.ErrUnauthenticated) {
			http.Redirect(w, r, Prefix+"namespaces", http.StatusSeeOther)
			return
		}
	}
	query := r.URL.Query()
	page := front{Next: localPath(query.Get("next"))}
	if query.Get("ended") != "" {
		page.Notice = "The session has ended. Sign in again."
	}
	d.showFront(w, r, page)
}

// showFront shows the sign-in.
func (d *Dashboard) showFront(w http.ResponseWriter, r *http.Request, page front) {
	one, err := d.seal().visit(r)
	if err != nil {
		one = d.seal().begin("")
		d.seal().give(w, r, one)
	}
	page.CSRF = d.seal().formToken(one)
	d.write(w, r, page.Status, "signin", page)
}

// signIn begins a session, if the token is good.
func (d *Dashboard) signIn(w http.ResponseWriter, r *http.Request) {
	one, err := d.seal().visit(r)
	if err != nil {
		d.showFront(w, r, front{Status: http.StatusForbidden,
			Problem: "The page was open for too long, or the browser keeps no cookies. Try again."})
		return
	}
	if err := d.checkSignIn(w, r, one); err != nil {
		d.showFront(w, r, front{Status: explain(err).status, Problem: explain(err).text})
		return
	}
	next := localPath(r.PostForm.Get("next"))
	token := strings.TrimSpace(r.PostForm.Get("token"))
	if err := d.authenticate(w, r, token); err != nil {
		d.log(r, explain(err))
		d.showFront(w, r, front{Status: explain(err).status, Problem: explain(err).text, Next: next})
		return
	}
	d.seal().give(w, r, d.seal().begin(token))
	if next == "" {
		next = Prefix + "namespaces"
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
}

func (d *Dashboard) checkSignIn(w http.ResponseWriter, r *http.Request, one *session) error {
	if err := d.checkOrigin(r); err != nil {
		return err
	}
	if err := parseForm(w, r, maxSignInBytes); err != nil {
		return err
	}
	return d.checkFormToken(one, r.PostForm.Get("csrf"))
}

// authenticate asks whether a token is good. How often it is asked is limited.
func (d *Dashboard) authenticate(w http.ResponseWriter, r *http.Request, token string) error {
	if !d.attempts.allow(remote(r)) {
		w.Header().Set("Retry-After", "10")
		return &problem{status: http.StatusTooManyRequests, text: "Too many tries from your address. Wait a little."}
	}
	_, err := d.cfg.Service.Authenticate(r.Context(), remote(r), []byte(token))
	if errors.Is(err, godwit.ErrUnauthenticated) {
		return &problem{status: http.StatusUnauthorized, text: "This token is not known here. It may have been revoked or have expired."}
	}
	return err
}

// signOut has the browser forget the session. It takes nothing but the session: whether its
// token is good cannot always be asked.
func (d *Dashboard) signOut(w http.ResponseWriter, r *http.Request) {
	one, err := d.seal().of(r)
	if err != nil {
		d.leadToSignIn(w, r)
		return
	}
	c := &call{Request: r, w: w, session: one, query: r.URL.Query()}
	if err := d.checkPost(c); err != nil {
		d.fail(c, err)
		return
	}
	d.seal().take(w, r)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// localPath is next if it leads to a page of ours, else "".
func localPath(next string) string {
	if len(next) > maxNextBytes || !strings.HasPrefix(next, Prefix) || strings.ContainsAny(next, "\\\r\n") {
		return ""
	}
	return next
}
