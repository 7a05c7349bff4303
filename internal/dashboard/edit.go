package dashboard

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/audit"
)

// Ways to say when a key expires.
const (
	expireKeep  = "keep"
	expireNever = "never"
	expireIn    = "in"
	expireAt    = "at"
)

// datetimeLocal is how browsers send a date with a time.
const datetimeLocal = "2006-01-02T15:04"

// editForm is what a person fills in to write a key.
type editForm struct {
	Text       string
	JSON       bool // it must be JSON
	CRLF       bool // its lines end in "\r\n"
	Metadata   string
	Revision   string // that it replaces; "": the key must be absent
	Expiration string // unix seconds that the key has
	Expire     string
	In, Unit   string // a number of units from now
	At         string // in UTC
}

func formOfEntry(e *godwit.Entry, v valueView) editForm {
	f := editForm{
		Text: v.Text, JSON: v.JSON, CRLF: strings.Contains(v.Text, "\r\n"), Metadata: indented(e.Metadata),
		Revision: e.Revision.String(), Expire: expireNever,
	}
	if e.Expiration != 0 {
		f.Expire, f.Expiration = expireKeep, strconv.FormatInt(e.Expiration, 10)
	}
	return f
}

// formOfRequest reads what a browser sent of the form. get finds a field.
func formOfRequest(get func(string) string) editForm {
	f := editForm{
		JSON: get("json") != "", CRLF: get("crlf") != "", Metadata: unix(get("metadata")), Revision: get("revision"),
		Expiration: get("expiration"), Expire: get("expire"), In: strings.TrimSpace(get("in")), Unit: get("unit"), At: get("at"),
	}
	// Browsers end every line in "\r\n", whatever it was.
	if f.Text = unix(get("text")); f.CRLF {
		f.Text = strings.ReplaceAll(f.Text, "\n", "\r\n")
	}
	return f
}

func unix(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }

// put is the write that the form asks for, but its body. Error: CodeInvalidRequest.
func (f *editForm) put(key string) (api.Put, error) {
	p := api.Put{Key: []byte(key), Preconditions: matching(f.Revision)}
	if text := strings.TrimSpace(f.Metadata); text != "" {
		var b bytes.Buffer
		if json.Compact(&b, []byte(text)) != nil {
			return p, godwit.Errorf(godwit.CodeInvalidRequest, "The metadata is not JSON. Text needs quotes, too: \"like this\".")
		}
		p.Metadata = b.Bytes()
	}
	var err error
	switch f.Expire {
	case expireKeep:
		p.Expiration = f.Expiration
	case expireIn:
		p.ExpirationTTL, err = f.ttl()
	case expireAt:
		p.Expiration, err = f.absolute()
	}
	return p, err
}

func (f *editForm) ttl() (string, error) {
	units := map[string]int64{"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}
	n, err := strconv.ParseInt(f.In, 10, 64)
	unit, ok := units[f.Unit]
	if err != nil || !ok || n < 1 || n > math.MaxInt64/unit {
		return "", godwit.Errorf(godwit.CodeInvalidRequest, "Say after how long it expires: a whole number above 0.")
	}
	return strconv.FormatInt(n*unit, 10), nil
}

func (f *editForm) absolute() (string, error) {
	if t, err := utcTime(f.At); err == nil && f.At != "" {
		return strconv.FormatInt(t.Unix(), 10), nil
	}
	return "", godwit.Errorf(godwit.CodeInvalidRequest, "Say when it expires: a date with a time, in UTC.")
}

// checkJSON says where a text that must be JSON is not.
func checkJSON(text string) error {
	var v json.RawMessage
	err := json.Unmarshal([]byte(text), &v)
	var wrong *json.SyntaxError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		before := text[:min(max(int(wrong.Offset)-1, 0), len(text))]
		line := strings.Count(before, "\n") + 1
		column := len([]rune(before[strings.LastIndexByte(before, '\n')+1:])) + 1
		return godwit.Errorf(godwit.CodeInvalidRequest, "This is not JSON: line %d, column %d: %s.", line, column, wrong.Error())
	default:
		return godwit.Errorf(godwit.CodeInvalidRequest, "This is not JSON.")
	}
}

// saveKey writes a key, if it still is as it was shown.
func (d *Dashboard) saveKey(c *call) error {
	ns, err := d.namespace(c, godwit.PermissionWrite)
	if err != nil {
		return err
	}
	page := &keyPage{NS: ns, Key: c.query.Get("key"), Form: formOfRequest(c.PostForm.Get)}
	if page.Key == "" {
		page.New, page.Key = true, c.PostForm.Get("key")
	}
	if c.outdated {
		return d.refuseKey(c, page, errOutdated())
	}
	if c.PostForm.Get("do") == "format" {
		return d.formatKey(c, page)
	}
	if err := d.writeText(c, page); err != nil {
		return d.refuseKey(c, page, err)
	}
	return c.seeOther(address("key", "ns", ns.ID.String(), "key", page.Key, "done", "saved"))
}

// writeText writes the text of a page's form.
func (d *Dashboard) writeText(c *call, page *keyPage) error {
	f := &page.Form
	if len(f.Text) > maxEditBytes {
		return godwit.Errorf(godwit.CodeValueTooLarge, "Text of over %d KiB cannot be edited here. Upload it as a file.", maxEditBytes>>10)
	}
	if f.JSON {
		if err := checkJSON(f.Text); err != nil {
			return err
		}
	}
	p, err := f.put(page.Key)
	if err != nil {
		return err
	}
	p.Body, p.RequestID = strings.NewReader(f.Text), c.PostForm.Get("once")
	if err := d.admit(c, page.NS); err != nil {
		return err
	}
	return d.put(c, page.NS, p)
}

// put writes a key.
func (d *Dashboard) put(c *call, ns *godwit.Namespace, p api.Put) error {
	return d.recorded(c, ns, audit.Entry{Operation: "put", Key: string(p.Key), RequestID: p.RequestID}, func() (godwit.Result, error) {
		return d.cfg.Service.Put(c.Context(), ns, p)
	})
}

// checkFormat says why a text is not indented: it is no JSON, or would be too long. Of
// deep nesting a few KiB would be gigabytes.
func checkFormat(text string) error {
	err := checkJSON(text)
	if err == nil && indentedSize(text) > maxEditBytes {
		err = godwit.Errorf(godwit.CodeValueTooLarge, "Indented, the text would be over %d KiB.", maxEditBytes>>10)
	}
	return err
}

// indentedSize is how long a JSON text is with each level indented by two spaces.
func indentedSize(text string) (size int64) {
	depth, quoted, before := int64(0), false, byte(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		size++
		switch {
		case quoted:
			if c == '\\' { // what comes next ends no string
				i++
				size++
			}
			quoted = c != '"'
		case c == ' ', c == '\t', c == '\n', c == '\r':
			size--
			continue
		case c == '"':
			quoted = true
		case c == ':':
			size++
		case c == ',':
			size += 1 + 2*depth
		case c == '[', c == '{':
			depth++
			size += 1 + 2*depth
		case c == ']', c == '}':
			if before == '[' || before == '{' { // empty, it stays on its line
				size -= 1 + 2*depth
				depth--
			} else {
				depth--
				size += 1 + 2*depth
			}
		}
		before = c
	}
	return size
}

// formatKey shows the form with its JSON indented, or says what is wrong with it. The
// text of numbers and the order of members stay.
func (d *Dashboard) formatKey(c *call, page *keyPage) error {
	status := 0
	var b bytes.Buffer
	if err := checkFormat(page.Form.Text); err != nil {
		p := explain(err)
		page.Problem, status = p.text, p.status
	} else if json.Indent(&b, []byte(strings.TrimSpace(page.Form.Text)), "", "  ") == nil {
		page.Form.Text, page.Form.JSON, page.Form.CRLF = b.String(), true, false
	}
	return d.showForm(c, page, status)
}

// showForm shows a page with its form as it was filled in.
func (d *Dashboard) showForm(c *call, page *keyPage, status int) error {
	form := page.Form
	if form.Revision != "" {
		switch err := d.look(c.Context(), page); {
		case errors.Is(err, godwit.ErrKeyNotFound): // deleted while it was edited: saving tells
		case err != nil:
			return err
		}
	}
	page.Form = form
	d.showKey(c, page, status)
	return nil
}

// refuseKey shows the form again with what was wrong, and nothing of it lost.
func (d *Dashboard) refuseKey(c *call, page *keyPage, err error) error {
	if errors.Is(err, godwit.ErrPrecondition) {
		return d.showConflict(c, page)
	}
	p := explain(err)
	d.log(c.Request, p)
	page.Problem = p.text
	return d.showForm(c, page, p.status)
}
