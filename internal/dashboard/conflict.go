package dashboard

import (
	"errors"
	"net/http"
	"strings"

	"github.com/godwitkv/godwit"
)

// conflict is that someone else wrote the key while it was edited.
type conflict struct {
	Deleted bool       // they deleted it
	Exists  bool       // a new key was to be made
	Lines   []diffLine // from theirs to mine; nil: they cannot be compared as text
	Same    bool       // both are the same text
}

// diffLine is a line of a comparison.
type diffLine struct {
	Mark string // "+" mine alone, "-" theirs alone, " " both, "…" lines left out
	Text string
}

// showConflict shows what the key holds now, what was to be written, and where they
// differ. Saving again replaces what is shown, and nothing later.
func (d *Dashboard) showConflict(c *call, page *keyPage) error {
	mine := page.Form
	err := d.look(c.Context(), page)
	page.Form = mine
	switch {
	case errors.Is(err, godwit.ErrKeyNotFound):
		page.Conflict = &conflict{Deleted: true}
		page.Form.Revision, page.Entry = "", nil
		if mine.Expire == expireKeep {
			page.Form.Expire = expireNever
		}
	case err != nil:
		return err
	default:
		page.Conflict = &conflict{Exists: mine.Revision == ""}
		page.New = false
		page.Form.Revision = page.Revision
		if page.Value.Kind == "text" {
			page.Conflict.Same = page.Value.Text == mine.Text
			page.Conflict.Lines = compare(unix(page.Value.Text), unix(mine.Text))
		}
	}
	d.showKey(c, page, http.StatusConflict)
	return nil
}

const (
	maxDiffCells = 4 << 20 // of the table that a comparison fills in
	maxDiffLines = 2000
	diffContext  = 3
)

// compare returns the lines of two texts, those that both have only near a
// difference.
func compare(theirs, mine string) []diffLine {
	a, b := strings.Split(theirs, "\n"), strings.Split(mine, "\n")
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	var all []diffLine
	all = appendLines(all, " ", a[:head])
	all = appendDifference(all, a[head:len(a)-tail], b[head:len(b)-tail])
	all = appendLines(all, " ", a[len(a)-tail:])
	lines := near(all)
	if len(lines) > maxDiffLines {
		lines = append(lines[:maxDiffLines:maxDiffLines], diffLine{Mark: "…"})
	}
	return lines
}

func appendLines(to []diffLine, mark string, lines []string) []diffLine {
	for _, text := range lines {
		to = append(to, diffLine{mark, text})
	}
	return to
}

// appendDifference appends the lines of a and b with as many in common as there can
// be, or with none where the texts are too long for that.
func appendDifference(to []diffLine, a, b []string) []diffLine {
	if (len(a)+1)*(len(b)+1) > maxDiffCells {
		return appendLines(appendLines(to, "-", a), "+", b)
	}
	common := make([][]int32, len(a)+1) // of what is behind i and j
	cells := make([]int32, (len(a)+1)*(len(b)+1))
	for i := range common {
		common[i] = cells[i*(len(b)+1) : (i+1)*(len(b)+1)]
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			to = append(to, diffLine{" ", a[i]})
			i, j = i+1, j+1
		case common[i+1][j] >= common[i][j+1]:
			to = append(to, diffLine{"-", a[i]})
			i++
		default:
			to = append(to, diffLine{"+", b[j]})
			j++
		}
	}
	return appendLines(appendLines(to, "-", a[i:]), "+", b[j:])
}

// near leaves out the lines that are far from a difference.
func near(all []diffLine) []diffLine {
	keep := make([]bool, len(all))
	for i, line := range all {
		if line.Mark == " " {
			continue
		}
		for k := max(0, i-diffContext); k <= min(len(all)-1, i+diffContext); k++ {
			keep[k] = true
		}
	}
	var lines []diffLine
	for i, line := range all {
		switch {
		case keep[i]:
			lines = append(lines, line)
		case len(lines) == 0 || lines[len(lines)-1].Mark != "…":
			lines = append(lines, diffLine{Mark: "…"})
		}
	}
	return lines
}
