package dashboard

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"unicode"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/parts"
)

const uploadPath = Prefix + "key/upload"

// Bounds of the fields that come before a file.
const (
	maxFieldBytes = 8 << 10
	maxFields     = 20
	// maxDrainBytes bounds how much of a refused file is read, so that the browser gets
	// to see the answer.
	maxDrainBytes = 64 << 20
)

// upload writes a file as a key's value. The file is passed on as it comes, so all
// that is said of it comes before it.
func (d *Dashboard) upload(c *call) error {
	defer func() { _, _ = io.Copy(io.Discard, io.LimitReader(c.Body, maxDrainBytes)) }()
	ns, err := d.namespace(c, godwit.PermissionWrite)
	if err != nil {
		return err
	}
	form, err := formWithFile(c.Request)
	if err != nil {
		return err
	}
	fields, file, err := readFields(form)
	if err != nil {
		return err
	}
	if err := d.checkFormToken(c.session, fields["csrf"]); err != nil {
		return err
	}
	get := func(name string) string { return fields[name] }
	page := &keyPage{NS: ns, Key: c.query.Get("key"), Form: formOfRequest(get)}
	if page.Key == "" {
		page.New, page.Key = true, fields["key"]
	}
	if file == nil || file.FileName() == "" {
		return d.refuseUpload(c, page, godwit.Errorf(godwit.CodeInvalidRequest, "Choose a file to upload."))
	}
	if page.Key == "" {
		page.Key = file.FileName()
	}
	p, err := page.Form.put(page.Key)
	if err != nil {
		return d.refuseUpload(c, page, err)
	}
	p.Body, p.RequestID = file, fields["once"]
	if err := d.admit(c, ns); err != nil {
		return d.refuseUpload(c, page, err)
	}
	if err := d.put(c, ns, p); err != nil {
		return d.refuseUpload(c, page, err)
	}
	return c.seeOther(address("key", "ns", ns.ID.String(), "key", page.Key, "done", "saved"))
}

// refuseUpload shows what was wrong with an upload, and the key as it is now: the file
// is not here any more, and no text of the form may stand for it.
func (d *Dashboard) refuseUpload(c *call, page *keyPage, err error) error {
	p := explain(err)
	d.log(c.Request, p)
	page.Problem = p.text
	if errors.Is(err, godwit.ErrPrecondition) {
		page.New, page.Problem = false, "The key is not as it was when you opened the page: someone else has written or deleted it. "+
			"Nothing was uploaded. Look at it, and choose the file again."
	}
	if page.New {
		d.showKey(c, page, p.status)
		return nil
	}
	if err := d.look(c.Context(), page); err != nil {
		return err
	}
	page.Form = formOfEntry(page.Entry, page.Value)
	d.showKey(c, page, p.status)
	return nil
}

// formWithFile returns the form with a file that r holds. Error: it holds another, whose token
// nobody has checked here.
func formWithFile(r *http.Request) (*parts.Reader, error) {
	kind, args, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" || args["boundary"] == "" {
		return nil, errForeign()
	}
	return parts.NewReader(r.Body, args["boundary"]), nil
}

// readFields reads a form up to its file, which is nil if there is none.
func readFields(form *parts.Reader) (map[string]string, *multipart.Part, error) {
	fields := make(map[string]string)
	for range maxFields {
		part, err := form.Next()
		switch {
		case errors.Is(err, io.EOF):
			return fields, nil, nil
		case err != nil:
			return nil, nil, errUpload()
		case part.FormName() == "file":
			return fields, part, nil
		}
		text, err := io.ReadAll(io.LimitReader(part, maxFieldBytes+1))
		if err != nil || len(text) > maxFieldBytes {
			return nil, nil, errUpload()
		}
		fields[part.FormName()] = string(text)
	}
	return nil, nil, errUpload()
}

func errUpload() error {
	return &problem{status: http.StatusBadRequest, title: "Malformed form", text: "The upload could not be read."}
}

// download sends a value as a file, whatever is in it.
func (d *Dashboard) download(c *call) error {
	return d.send(c, func(_ *godwit.Entry, _ []byte, h http.Header) error {
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": fileName(c.query.Get("key"))}))
		return nil
	})
}

// preview sends a value that is an image, as one that can do nothing.
func (d *Dashboard) preview(c *call) error {
	return d.send(c, func(e *godwit.Entry, head []byte, h http.Header) error { return describeImage(e.Value.Size(), head, h) })
}

// describeImage says of a value that is an image what it is. Error: it is none.
func describeImage(size int64, head []byte, h http.Header) error {
	kind := imageType(head)
	if kind == "" || size > maxPreviewBytes {
		return &problem{status: http.StatusUnsupportedMediaType, title: "No preview", text: "The value is not an image that is shown here."}
	}
	h.Set("Content-Type", kind)
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	return nil
}

// send streams a value after describe has said what it is, by its first bytes.
func (d *Dashboard) send(c *call, describe func(e *godwit.Entry, head []byte, h http.Header) error) error {
	ns, err := d.namespaceOfKeys(c, godwit.PermissionRead)
	if err != nil {
		return err
	}
	sent := false
	_, _, err = d.opened(c.Context(), ns, c.query.Get("key"), func(e *godwit.Entry, r io.Reader) error {
		value := bufio.NewReaderSize(r, 64<<10)
		head, err := value.Peek(512)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read value: %w", err)
		}
		if err := describe(e, head, c.w.Header()); err != nil {
			return err
		}
		c.w.Header().Set("Content-Length", strconv.FormatInt(e.Value.Size(), 10))
		sent = true
		return sendVerified(c.w, value)
	})
	if err != nil && sent {
		panic(http.ErrAbortHandler) // the client must not take a part for the whole
	}
	return err
}

// sendVerified sends a value so that its last piece goes out only once the reader has
// said that all was undamaged.
func sendVerified(w io.Writer, value *bufio.Reader) error {
	piece := make([]byte, 64<<10)
	for {
		n, err := value.Read(piece)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read value: %w", err)
		}
		_, ahead := value.Peek(1)
		if ahead != nil && !errors.Is(ahead, io.EOF) {
			return fmt.Errorf("read value: %w", ahead)
		}
		if _, err := w.Write(piece[:n]); err != nil {
			return fmt.Errorf("send value: %w", err)
		}
		if ahead != nil {
			return nil
		}
	}
}

// fileName is what a key is called as a file: its last part, without what systems
// take for more than a name.
func fileName(key string) string {
	name := key[strings.LastIndexByte(key, '/')+1:]
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || strings.ContainsRune(`\/:*?"<>|`, r) {
			return '_'
		}
		return r
	}, name)
	if name = strings.Trim(clip(120, name), ". "); name == "" {
		return "value"
	}
	return name
}
