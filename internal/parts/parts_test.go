package parts_test

import (
	"errors"
	"io"
	"mime/multipart"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/godwitkv/godwit/internal/parts"
)

// read reads a form whole, and returns the contents of its parts by their names.
func read(r io.Reader) (map[string]string, error) {
	contents := make(map[string]string)
	f := parts.NewReader(r, "X")
	for {
		part, err := f.Next()
		if err != nil {
			if err == io.EOF {
				err = nil
			}
			return contents, err
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return contents, err
		}
		contents[part.FormName()] = string(content)
	}
}

const head = "--X\r\nContent-Disposition: form-data; name="

const two = head + "\"value\"\r\n\r\nhello\r\n" + head + "\"metadata\"\r\n\r\n{\"a\":1}\r\n--X--\r\n"

// TestCutForms holds that of all beginnings of a form only those are taken that hold its
// closing boundary, in whichever pieces they come.
func TestCutForms(t *testing.T) {
	for _, lines := range []string{"\r\n", "\n"} {
		whole := strings.ReplaceAll(two, "\r\n", lines)
		closed := strings.Index(whole, "--X--") + len("--X--")
		for n := range len(whole) + 1 {
			for _, r := range []io.Reader{
				strings.NewReader(whole[:n]),
				iotest.OneByteReader(strings.NewReader(whole[:n])),
				iotest.DataErrReader(strings.NewReader(whole[:n])),
			} {
				got, err := read(r)
				if lines == "\r\n" && n == closed+1 {
					continue // half the end of a line: either will do
				}
				if (err == nil) != (n >= closed) {
					t.Fatalf("%q: %v", whole[:n], err)
				}
				if err == nil && (got["value"] != "hello" || got["metadata"] != `{"a":1}`) {
					t.Errorf("%q: read as %q", whole[:n], got)
				}
			}
		}
	}
}

// TestWhatFollowsAForm holds that nobody minds it.
func TestWhatFollowsAForm(t *testing.T) {
	for _, after := range []string{"", "  ", "\r\n\r\n", "\r\nbye", "\r\n--X\r\nContent-Dis", strings.Repeat("\r\n", 100_000)} {
		if _, err := read(strings.NewReader(strings.TrimSuffix(two, "\r\n") + after)); err != nil {
			t.Errorf("%.20q: %v", after, err)
		}
	}
}

// counting counts what is read of it.
type counting struct {
	io.Reader
	n int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

// TestLongHeads holds that the head of a part is bounded, of any part, and its content not.
func TestLongHeads(t *testing.T) {
	value := head + "\"value\"\r\n\r\n" + strings.Repeat("v", 1<<20) + "\r\n"
	long := strings.Repeat("x", 1<<20)
	for _, form := range []string{
		value + head + "\"" + long + "\"\r\n\r\n\r\n--X--",
		value + "--X\r\nA: " + long + "\r\n\r\n\r\n--X--",
		value + "--X\r\n" + strings.Repeat("A: b\r\n", 100_000) + "\r\n\r\n--X--",
		strings.Repeat("preamble\r\n", 100_000) + "--X--",
	} {
		c := &counting{Reader: strings.NewReader(form)}
		if _, err := read(c); !isLong(err) {
			t.Errorf("%.40q: %v", form, err)
		}
		if strings.HasPrefix(form, value) {
			c.n -= len(value)
		}
		if c.n > 80<<10 {
			t.Errorf("%.40q: %d bytes read of a head", form, c.n)
		}
	}
	fits := value + "--X\r\nA: " + strings.Repeat("x", 50<<10) + "\r\n\r\n" + long + "\r\n"
	if _, err := read(strings.NewReader(fits + fits + "--X--")); err != nil {
		t.Errorf("heads within the bound: %v", err)
	}
}

// isLong: multipart bounds the number of a head's lines by itself.
func isLong(err error) bool {
	return errors.Is(err, parts.ErrLongHead) || errors.Is(err, multipart.ErrMessageTooLarge)
}

// TestPartsNobodyReads holds that they are passed over, however long they are.
func TestPartsNobodyReads(t *testing.T) {
	long := head + "\"a\"\r\n\r\n" + strings.Repeat("x", 1<<20) + "\r\n"
	f := parts.NewReader(strings.NewReader(long+long+"--X--"), "X")
	for range 2 {
		if _, err := f.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Next(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}
