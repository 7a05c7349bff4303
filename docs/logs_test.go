package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// logged is what the code tells the log: the keys of fields, and the messages of what is
// wrong, each with a place.
type logged struct {
	keys, problems map[string]string
	unknown        []string // where a logger is given a message that stands elsewhere
}

// levels are the methods of a logger that take a message and then fields.
var levels = []string{"Debug", "Info", "Warn", "Error"}

// helpers are the methods, of loggers and of ours, that take something before the message:
// how many arguments. A level that is no constant may say that something is wrong.
var helpers = map[string]int{"Log": 2, "log": 1, "errand": 1}

// passOn are the files of helpers that give a logger what they were given.
var passOn = []string{"internal/central/jetstream/errands.go"}

// besides are the lines whose method is a value.
var besides = []string{"nats server"}

// attributes are the functions that make a field of a key and a value.
var attributes = []string{"String", "Int", "Int64", "Uint64", "Float64", "Bool", "Time", "Duration", "Any", "Group"}

// readLogged reads the sources of what runs as a node or a Worker.
func readLogged(t *testing.T) logged {
	t.Helper()
	l := logged{keys: make(map[string]string), problems: make(map[string]string)}
	files := token.NewFileSet()
	walk(t, func(path string) {
		rel := strings.TrimPrefix(filepath.ToSlash(path), root+"/")
		if filepath.Ext(rel) != ".go" || strings.HasSuffix(rel, "_test.go") || !strings.HasPrefix(rel, "internal/") && !strings.HasPrefix(rel, "cmd/godwit/") && !strings.HasPrefix(rel, "replica/") ||
			strings.HasPrefix(rel, "internal/simulation/") {
			return
		}
		f, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				l.constant(n, rel)
			case *ast.CallExpr:
				l.call(n, rel)
			case *ast.FuncDecl:
				if n.Name.Name == "attributes" { // of several lines
					ast.Inspect(n, func(n ast.Node) bool {
						if list, ok := n.(*ast.CompositeLit); ok {
							l.pairs(list.Elts, rel)
						}
						return true
					})
				}
			}
			return true
		})
	})
	return l
}

// constant takes a key that is a constant: those are called log and what they are.
func (l *logged) constant(s *ast.ValueSpec, at string) {
	for i, name := range s.Names {
		if i < len(s.Values) && regexp.MustCompile(`^log[A-Z]`).MatchString(name.Name) {
			if key, ok := text(s.Values[i]); ok {
				l.keys[key] = at
			}
		}
	}
}

// call takes keys and messages that stand in calls themselves.
func (l *logged) call(c *ast.CallExpr, at string) {
	f, ok := c.Fun.(*ast.SelectorExpr)
	if !ok || len(c.Args) == 0 {
		return
	}
	if pkg, ok := f.X.(*ast.Ident); ok && pkg.Name == "slog" && slices.Contains(attributes, f.Sel.Name) {
		if key, ok := text(c.Args[0]); ok {
			l.keys[key] = at
		}
		return
	}
	if behind, ok := helpers[f.Sel.Name]; ok && len(c.Args) > behind {
		l.line(c.Args[behind:], at, !isLevel(c.Args[behind-1], "LevelInfo", "LevelDebug"))
		return
	}
	level, inContext := strings.CutSuffix(f.Sel.Name, "Context")
	if !slices.Contains(levels, level) || !isLogger(f.X) {
		return
	}
	args := c.Args
	if inContext {
		args = args[1:]
	}
	wrong := level == "Warn" || level == "Error"
	if !l.line(args, at, wrong) && wrong && !slices.Contains(passOn, at) {
		l.unknown = append(l.unknown, at)
	}
}

// line takes a message, if it stands there itself, and the fields behind it.
func (l *logged) line(args []ast.Expr, at string, wrong bool) bool {
	l.pairs(args[1:], at)
	message, ok := text(args[0])
	if ok && wrong {
		l.problems[message] = at
	}
	return ok
}

// isLevel tells whether an argument is one of slog's constants.
func isLevel(x ast.Expr, names ...string) bool {
	f, ok := x.(*ast.SelectorExpr)
	return ok && slices.Contains(names, f.Sel.Name)
}

// pairs takes the keys of fields, each with its value behind it or in one.
func (l *logged) pairs(args []ast.Expr, at string) {
	for i := 0; i < len(args); i++ {
		if key, ok := text(args[i]); ok {
			l.keys[key] = at
			i++ // over its value
		} else if _, field := args[i].(*ast.CallExpr); !field {
			i++ // a constant, and its value
		}
	}
}

// isLogger tells whether something is called as loggers are.
func isLogger(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.Ident:
		return strings.Contains(strings.ToLower(x.Name), "log")
	case *ast.SelectorExpr:
		return strings.Contains(strings.ToLower(x.Sel.Name), "log")
	}
	return false
}

// text is what a literal says, or several in one.
func text(x ast.Expr) (string, bool) {
	if sum, ok := x.(*ast.BinaryExpr); ok {
		a, okA := text(sum.X)
		b, okB := text(sum.Y)
		return a + b, okA && okB
	}
	lit, ok := x.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}

var code = regexp.MustCompile("`([^`]+)`")

// TestLogIsDescribed holds that the page of the log tells of every field, and of every
// line that says that something is wrong, and of no other.
func TestLogIsDescribed(t *testing.T) {
	_, page, ok := strings.Cut(read(t, "observability.md"), "\n## Log\n")
	if !ok {
		t.Fatal("observability.md has no part about the log")
	}
	page, _, _ = strings.Cut(page, "\n## ")
	fields, lines, ok := strings.Cut(page, "\n### Lines")
	if !ok {
		t.Fatal("observability.md does not tell of the log's lines")
	}
	got := readLogged(t)
	if len(got.keys) < 20 || len(got.problems) < 10 {
		t.Fatalf("%d fields and %d lines were found: nothing is tested", len(got.keys), len(got.problems))
	}
	compare(t, "field", fields, got.keys, []string{"time", "level", "msg", "text", "json"})
	for _, at := range got.unknown {
		t.Errorf("%s: a line is logged whose message is no literal, so that nobody knows whether it is described", at)
	}
	compare(t, "line", lines, got.problems, besides)
	for _, line := range besides {
		if !strings.Contains(lines, "`"+line+"`") {
			t.Errorf("observability.md does not tell of the line `%s`", line)
		}
	}
}

// compare holds what stands first in the rows of a table against what there is.
func compare(t *testing.T, what, page string, got map[string]string, besides []string) {
	t.Helper()
	described := make(map[string]bool)
	for row := range strings.Lines(page) {
		cell, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " |")
		if !strings.HasPrefix(row, "| ") {
			continue
		}
		for _, m := range code.FindAllStringSubmatch(cell, -1) {
			described[m[1]] = true
		}
	}
	for name, at := range got {
		if !described[name] {
			t.Errorf("%s: observability.md does not tell of the %s `%s`", at, what, name)
		}
	}
	for name := range described {
		if got[name] == "" && !slices.Contains(besides, name) {
			t.Errorf("observability.md tells of the %s `%s`, which there is not", what, name)
		}
	}
}
