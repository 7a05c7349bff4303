package client_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// TestEveryMethodHasAnExample reads the package's own source.
func TestEveryMethodHasAnExample(t *testing.T) {
	files, err := os.ReadDir(".")
	check(t, err)
	methods, examples := map[string]bool{}, map[string]bool{}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, 0)
		check(t, err)
		for _, d := range parsed.Decls {
			fn, ok := d.(*ast.FuncDecl)
			switch {
			case !ok:
			case fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Example"):
				examples[strings.TrimPrefix(fn.Name.Name, "Example")] = true
			case fn.Recv != nil && fn.Name.IsExported() && !strings.HasSuffix(f.Name(), "_test.go"):
				star, _ := fn.Recv.List[0].Type.(*ast.StarExpr)
				if star == nil {
					continue
				}
				if recv := star.X.(*ast.Ident).Name; recv == "Client" || recv == "KV" {
					methods[recv+"_"+fn.Name.Name] = true
				}
			}
		}
	}
	if len(methods) < 20 {
		t.Fatalf("only %d methods were found", len(methods))
	}
	for m := range methods {
		if !examples[m] {
			t.Errorf("there is no Example%s", m)
		}
	}
}
