package dashboard

import (
	"bufio"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// savePath is where a key's text is sent.
const savePath = Prefix + "key/save"

// maxFormTokenBytes is more than the first field of a form takes, which is its token.
const maxFormTokenBytes = 256

// endedPage is what is shown in place of a save whose session has ended.
type endedPage struct {
	Title  string
	To     string // where it is saved
	CSRF   string // as it came in
	Text   string
	Others []field // of the form
}

type field struct{ Name, Value string }

// keepText answers a save whose session has ended with the text that came in, to be sent
// once more when one has signed in again. It tells whether it has answered: of what is not
// from a page of this node no more than the beginning is read.
func (d *Dashboard) keepText(w http.ResponseWriter, r *http.Request) bool {
	if d.checkOrigin(r) != nil || !d.beginsWithOurToken(r) || parseForm(w, r, maxFormBytes) != nil {
		return false
	}
	page := endedPage{Title: "The session has ended", To: r.URL.RequestURI(), CSRF: r.PostForm.Get("csrf"), Text: unix(r.PostForm.Get("text"))}
	for name, values := range r.PostForm {
		if name != "csrf" && name != "text" && name != "do" {
			page.Others = append(page.Others, field{name, values[0]})
		}
	}
	slices.SortFunc(page.Others, func(a, b field) int { return strings.Compare(a.Name, b.Name) })
	d.write(w, r, http.StatusUnauthorized, "ended", page)
	return true
}

// beginsWithOurToken tells whether a form's first field is the token of a page of this
// node. The form can still be read.
func (d *Dashboard) beginsWithOurToken(r *http.Request) bool {
	body := bufio.NewReaderSize(r.Body, maxFormTokenBytes)
	head, _ := body.Peek(maxFormTokenBytes) // a shorter form is whole
	r.Body = struct {
		io.Reader
		io.Closer
	}{body, r.Body}
	first, _, _ := strings.Cut(string(head), "&")
	fields, err := url.ParseQuery(first)
	return err == nil && d.seal().formTokenOfAny(fields.Get("csrf"))
}

func errOutdated() error {
	return &problem{
		status: http.StatusForbidden, title: "Signed in anew",
		text: "Nothing was saved yet: you have signed in anew since this page was opened. Your text is below. Look at it, and save it.",
	}
}
