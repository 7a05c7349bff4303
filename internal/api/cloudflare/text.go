package cloudflare

import (
	"bytes"
	"io"
)

const blockSize = 64 << 10

// textBuffer keeps a text of which it is not known how long it will be, in
// blocks that are used again for the next one: a slice that grows would take
// three times the memory while it does.
type textBuffer struct {
	grow   func(bytes int) error // makes room for another block
	blocks [][]byte
	n      int
}

func (t *textBuffer) reset() { t.n = 0 }

// write appends p. Error: grow's.
func (t *textBuffer) write(p []byte) error {
	for len(p) > 0 {
		at := t.n / blockSize
		if at == len(t.blocks) {
			if err := t.grow(blockSize); err != nil {
				return err
			}
			t.blocks = append(t.blocks, make([]byte, blockSize))
		}
		n := copy(t.blocks[at][t.n%blockSize:], p)
		t.n += n
		p = p[n:]
	}
	return nil
}

// reader reads the text, which must not change meanwhile. The reader of a short
// one knows its length.
func (t *textBuffer) reader() io.Reader {
	if t.n <= blockSize {
		return bytes.NewReader(t.first())
	}
	var parts []io.Reader
	for i, left := 0, t.n; left > 0; i++ {
		n := min(left, blockSize)
		parts = append(parts, bytes.NewReader(t.blocks[i][:n]))
		left -= n
	}
	return io.MultiReader(parts...)
}

func (t *textBuffer) first() []byte {
	if t.n == 0 {
		return nil
	}
	return t.blocks[0][:t.n]
}
