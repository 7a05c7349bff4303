package top

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/godwitkv/godwit/client"
)

// Bounds of what is shown.
const (
	shownNamespaces = 10
	shownNodes      = 40
)

// Lines are the frame as text, for a terminal or a file.
func (f *Frame) Lines() []string {
	var b strings.Builder
	f.head(&b)
	if f.Problem != "" {
		fmt.Fprintf(&b, "\n%s\n", safe(f.Problem))
	}
	f.operations(&b)
	if f.Tree != nil {
		f.tree(&b)
	}
	if f.Status != nil {
		f.asked(&b)
	}
	return strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
}

func (f *Frame) head(b *strings.Builder) {
	fmt.Fprintf(b, "godwit top  %s  %s\n", safe(f.URL), f.At.Format(time.TimeOnly))
	s := f.Status
	if s == nil {
		return
	}
	name := s.Location
	if name == "" {
		name = s.Role
	}
	fmt.Fprintf(b, "%s  %s  revision %s  %d keys  %s  up %v  staleness %s\n", safe(name), safe(s.Role), safe(s.Revision), s.Keys, size(s.Bytes),
		time.Duration(s.UptimeSeconds)*time.Second, stale(s.StalenessMS))
}

func columns(to io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(to, 0, 8, 2, ' ', 0) }

func (f *Frame) operations(b *strings.Builder) {
	fmt.Fprintln(b)
	if f.Over == 0 {
		fmt.Fprintln(b, "Rates come with the next look.")
		return
	}
	w := columns(b)
	fmt.Fprintln(w, "OPERATION\tPER S\tFAILED\tP50 MS\tP90 MS\tP99 MS")
	total, failed := 0.0, 0.0
	for _, o := range f.Operations {
		total, failed = total+o.PerSecond, failed+o.Failed
		if o.PerSecond > 0 {
			fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%s\t%s\t%s\n", safe(o.Op), o.PerSecond, o.Failed, ms(o.P50), ms(o.P90), ms(o.P99))
		}
	}
	fmt.Fprintf(w, "all\t%.1f\t%.1f\t\t\t\n", total, failed)
	_ = w.Flush() // into memory
	fmt.Fprintf(b, "%d connections to the binding port\n", f.Connections)
}

func (f *Frame) tree(b *strings.Builder) {
	fmt.Fprintln(b)
	w := columns(b)
	fmt.Fprintln(w, "NODE\tROLE\tREVISION\tLAG\tSTALENESS\tKEYS\tSTATE")
	left := shownNodes
	node(w, f.Tree, "", &left)
	_ = w.Flush() // into memory
	if left < 0 {
		fmt.Fprintf(b, "and %d more\n", -left)
	}
}

func node(w io.Writer, n *client.Node, indent string, left *int) {
	if *left--; *left >= 0 {
		name, state := n.Location, "ready"
		if name == "" {
			name = n.ID[:min(len(n.ID), 8)]
		}
		switch {
		case n.Progress != "":
			state = n.Progress
		case !n.Ready:
			state = "not ready"
		}
		fmt.Fprintf(w, "%s%s\t%s\t%s\t%d\t%s\t%d\t%s\n", indent, safe(name), safe(n.Role), safe(n.Revision), n.Lag, stale(n.StalenessMS), n.Keys, safe(state))
	}
	for i := range n.Followers {
		node(w, &n.Followers[i], indent+"  ", left)
	}
}

func (f *Frame) asked(b *strings.Builder) {
	fmt.Fprintln(b)
	w := columns(b)
	fmt.Fprintln(w, "NAMESPACE, LAST HOUR\tREADS\tWRITES\tLISTS\tREAD P99 MS\tWRITE P99 MS\tKEYS\tBYTES")
	for i, n := range f.Namespaces {
		if i == shownNamespaces {
			break
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\t%s\t%d\t%s\n", safe(n.Title), n.Reads, n.Writes, n.Lists, ms(n.ReadP99), ms(n.WriteP99), n.Keys, size(n.Bytes))
	}
	_ = w.Flush() // into memory
	if more := len(f.Namespaces) - shownNamespaces; more > 0 {
		fmt.Fprintf(b, "and %d more\n", more)
	}
	if f.Unseen != "" {
		fmt.Fprintln(b, safe(f.Unseen))
	}
}

// safe is text that plays no tricks on a terminal.
func safe(text string) string {
	if text == "" {
		return "-"
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r == unicode.ReplacementChar || !strconv.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}

func ms(v float64) string {
	if v == 0 {
		return "-"
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

func stale(v int64) string {
	if v < 0 {
		return "-"
	}
	return (time.Duration(v) * time.Millisecond).String()
}

func size(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	v, i := float64(n), 0
	for v >= 1024 && i < len(units)-1 {
		v, i = v/1024, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}
