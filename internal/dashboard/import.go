package dashboard

import (
	"errors"
	"io"
	"mime/multipart"
	"net/http"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/transfer"
)

const importPath = Prefix + "import"

// importResult is what became of an import.
type importResult struct {
	Keys, Bytes, Expired int64
	Checked              bool   // nothing was to be written
	Problem              string // why it stopped; "": it did not
	Line                 int64  // that is no good; 0: not a line's fault
	Taken                int64  // lines, from the first on, that are taken in
}

// importLines writes what stands on the lines of a file, as they come. What stands
// behind one that is no good is not written.
func (d *Dashboard) importLines(c *call) error {
	defer func() { _, _ = io.Copy(io.Discard, io.LimitReader(c.Body, maxDrainBytes)) }()
	ns, err := d.namespace(c, godwit.PermissionWrite)
	if err != nil {
		return err
	}
	result, err := d.importForm(c, ns)
	if err != nil && !c.byScript() {
		return err
	}
	status := 0
	if err != nil {
		p := explain(err)
		d.log(c.Request, p)
		result = &importResult{Problem: p.text, Checked: true}
	}
	if result.Problem != "" {
		status = http.StatusBadRequest
	}
	page := &dataPage{NS: ns, Result: result}
	if c.byScript() {
		page.Anew = true
		d.countHeld(c, page)
		d.writePart(c.w, c.Request, 0, "data", "anew", page)
	} else {
		d.showData(c, page, status)
	}
	return nil
}

// importForm reads a form with a file of lines, and takes them in. Error: it was not
// begun.
func (d *Dashboard) importForm(c *call, ns *godwit.Namespace) (*importResult, error) {
	form, err := formWithFile(c.Request)
	if err != nil {
		return nil, err
	}
	fields, file, err := readFields(form)
	if err != nil {
		return nil, err
	}
	if err := d.checkFormToken(c.session, fields["csrf"]); err != nil {
		return nil, err
	}
	if file == nil || file.FileName() == "" {
		return &importResult{Problem: "Choose a file first.", Checked: true}, nil
	}
	return d.takeIn(c, ns, fields, file)
}

// takeIn writes the lines of a file. Error: it was not begun.
func (d *Dashboard) takeIn(c *call, ns *godwit.Namespace, fields map[string]string, file *multipart.Part) (*importResult, error) {
	kv, err := d.kv(c, ns)
	if err != nil {
		return nil, err
	}
	one, err := d.jobs.begin(fields["job"], c.principal)
	if err != nil {
		return nil, err
	}
	defer d.jobs.end(one)
	from := &transfer.Lines{Files: []string{"-"}, Input: countedReader{file, one}, MaxValue: godwit.MaxValueBytes}
	// One request at a time: then nothing behind a line that is refused is written.
	o := transfer.Options{Concurrency: 1, Progress: &one.progress, Now: d.unixNow, OnMark: func(m transfer.Mark) { one.line.Store(m.Line) }}
	result := &importResult{Checked: fields["check"] != ""}
	if result.Checked {
		err = transfer.Look(c.Context(), from, from.MaxValue, o)
	} else {
		err = transfer.Run(c.Context(), from, &transfer.ServerTarget{KV: kv, Progress: &one.progress, Now: d.unixNow}, o)
	}
	p := &one.progress
	result.Keys, result.Bytes, result.Expired = p.Keys.Load(), p.Bytes.Load(), p.Expired.Load()
	result.stopped(err)
	return result, nil
}

// stopped says why an import stopped, if it did, and where.
func (r *importResult) stopped(err error) {
	var stopped *transfer.StoppedError
	var item *transfer.ItemError
	var told *client.Error
	if errors.As(err, &stopped) {
		r.Taken = stopped.Done.Line
	}
	if errors.As(err, &item) {
		r.Line = item.Line
	}
	switch {
	case err == nil:
	case errors.As(err, &told):
		r.Problem = explain(fromClient(err)).text
	case item != nil:
		r.Problem = item.Err.Error()
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, multipart.ErrMessageTooLarge):
		r.Problem = "The upload broke off."
	default:
		r.Problem = explain(err).text
	}
}

// countedReader counts for who looks on.
type countedReader struct {
	r   io.Reader
	job *job
}

func (r countedReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.job.read.Add(int64(n))
	return n, err
}
