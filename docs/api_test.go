package docs_test

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/docs"
)

// TestAPIPageIsCurrent holds api.md against the description that it is made of.
func TestAPIPageIsCurrent(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData([]byte(docs.OpenAPI()))
	if err != nil {
		t.Fatal(err)
	}
	p := &apiPage{doc: doc, statuses: make(map[string]string)}
	want := p.render()
	if *rewrite {
		if err := os.WriteFile("api.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := gocmp.Diff(read(t, "api.md"), want); diff != "" {
		t.Errorf("api.md is not what openapi.yaml says; go test ./docs -run TestAPIPageIsCurrent -rewrite writes it anew (-is +should be):\n%s", diff)
	}
}

// apiPage is the page that is made of a description.
type apiPage struct {
	doc      *openapi3.T
	statuses map[string]string // of errors, by their names
	b        strings.Builder
}

func (p *apiPage) line(format string, args ...any) { fmt.Fprintf(&p.b, format+"\n", args...) }

func (p *apiPage) render() string {
	p.line("# Reference of the native API\n")
	p.line("Made of [openapi.yaml](openapi.yaml), which each node serves at")
	p.line("`GET /godwit/v1/openapi.yaml`; a test holds the page to it, and other tests hold it to")
	p.line("what nodes answer. What these operations promise is on pages of their own:")
	p.line("[transactions](transactions.md), [lists, details and counts](lists.md),")
	p.line("[copies](copy.md), [watches](watch.md).\n")
	p.line("%s", strings.TrimSpace(p.doc.Info.Description))
	for _, tag := range p.doc.Tags {
		p.line("\n## %s\n\n%s", strings.ToUpper(tag.Name[:1])+tag.Name[1:], tag.Description)
		for _, path := range p.doc.Paths.InMatchingOrder() {
			p.path(tag.Name, path)
		}
	}
	p.errors()
	p.line("\n## Headers of answers\n\n| | |\n|---|---|")
	for _, name := range sorted(p.doc.Components.Headers) {
		p.line("| `%s` | %s |", p.headerName(name), oneLine(p.doc.Components.Headers[name].Value.Description))
	}
	p.line("\n## Objects")
	for _, name := range sorted(p.doc.Components.Schemas) {
		p.schema(name)
	}
	return p.b.String()
}

// headerName is what a component's header is called in answers.
func (p *apiPage) headerName(component string) string {
	for _, path := range p.doc.Paths.Map() {
		for _, o := range path.Operations() {
			for _, answer := range o.Responses.Map() {
				for name, h := range answer.Value.Headers {
					if h.Ref == "#/components/headers/"+component {
						return name
					}
				}
			}
		}
	}
	return component
}

func sorted[T any](m map[string]T) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// path writes the operations of a path that have a tag.
func (p *apiPage) path(tag, path string) {
	item := p.doc.Paths.Value(path)
	for _, method := range []string{"GET", "POST", "PATCH", "DELETE"} {
		if o := item.GetOperation(method); o != nil && slices.Contains(o.Tags, tag) {
			p.operation(method+" "+path, o, slices.Concat(item.Parameters, o.Parameters))
		}
	}
}

func (p *apiPage) operation(name string, o *openapi3.Operation, parameters openapi3.Parameters) {
	p.line("\n### %s\n\n%s", name, strings.TrimSpace(o.Summary))
	if o.Description != "" {
		p.line("\n%s", strings.TrimSpace(o.Description))
	}
	if len(parameters) > 0 {
		p.line("\n| Parameter | In | Type | |\n|---|---|---|---|")
		for _, q := range parameters {
			p.line("| `%s` | %s | %s | %s |", q.Value.Name, q.Value.In, kind(q.Value.Schema), oneLine(q.Value.Description))
		}
	}
	if o.RequestBody != nil {
		p.line("\nThe body is a JSON object:")
		p.fields(o.RequestBody.Value.Content["application/json"].Schema.Value)
	}
	p.line("\n| Status | Body | |\n|---|---|---|")
	var errors []string
	for _, status := range sorted(o.Responses.Map()) {
		answer := o.Responses.Map()[status]
		if name, ok := strings.CutPrefix(answer.Ref, "#/components/responses/"); ok && status >= "300" {
			p.statuses[name] = status
			errors = append(errors, status)
			continue
		}
		for _, content := range sorted(answer.Value.Content) {
			body := kind(answer.Value.Content[content].Schema)
			if content != "application/json" {
				body = "`" + content + "`"
			}
			p.line("| %s | %s | %s |", status, body, oneLine(*answer.Value.Description))
		}
	}
	if len(errors) > 0 {
		p.line("\n[Errors](#errors): %s.", strings.Join(errors, ", "))
	}
}

// errors writes what operations have named in their lists.
func (p *apiPage) errors() {
	p.line("\n## Errors\n\nThe body is an [Error](#error).\n\n| Status | |\n|---|---|")
	names := sorted(p.statuses)
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(p.statuses[a], p.statuses[b]) })
	for _, name := range names {
		p.line("| %s | %s |", p.statuses[name], oneLine(*p.doc.Components.Responses[name].Value.Description))
	}
}

// schema writes a section about an object of the description.
func (p *apiPage) schema(name string) {
	s := p.doc.Components.Schemas[name].Value
	p.line("\n### %s", name)
	if s.Description != "" {
		p.line("\n%s", strings.TrimSpace(s.Description))
	}
	switch {
	case len(s.Properties) > 0:
		p.fields(s)
	case s.Type.Is("object"):
		p.line("\nAn object without fields.")
	default:
		p.line("\n%s.", kind(&openapi3.SchemaRef{Value: s}))
	}
}

func (p *apiPage) fields(s *openapi3.Schema) {
	p.line("\n| Field | Type | |\n|---|---|---|")
	p.rows("", s)
}

// rows writes a row for each field, and for those of the objects in it that have no
// section of their own.
func (p *apiPage) rows(before string, s *openapi3.Schema) {
	names := sorted(s.Properties)
	slices.SortStableFunc(names, func(a, b string) int { // what must be there, first
		return cmp.Compare(optional(s, a), optional(s, b))
	})
	for _, name := range names {
		field := s.Properties[name]
		text := oneLine(field.Value.Description)
		if optional(s, name) == 0 {
			text = strings.TrimSpace("Required. " + text)
		}
		p.line("| `%s%s` | %s | %s |", before, name, kind(field), text)
		switch {
		case field.Value.Type.Is("array") && field.Value.Items.Ref == "" && len(field.Value.Items.Value.Properties) > 0:
			p.rows(before+name+"[].", field.Value.Items.Value)
		case field.Ref == "" && len(field.Value.Properties) > 0:
			p.rows(before+name+".", field.Value)
		}
	}
}

func optional(s *openapi3.Schema, name string) int {
	if slices.Contains(s.Required, name) {
		return 0
	}
	return 1
}

// kind is a schema in a few words, with a link to its section where it has one.
func kind(s *openapi3.SchemaRef) string {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		return fmt.Sprintf("[%s](#%s)", name, strings.ToLower(name))
	}
	v := s.Value
	var text string
	switch {
	case len(v.Enum) > 0:
		var all []string
		for _, one := range v.Enum {
			all = append(all, fmt.Sprintf("`%s`", literal(one)))
		}
		text = strings.Join(all, ", ")
	case v.Type.Is("array"):
		text = "array of " + kind(v.Items)
	case len(v.Properties) == 1 && v.Type.Is("object"):
		name := sorted(v.Properties)[0]
		text = fmt.Sprintf("object of `%s`, %s", name, kind(v.Properties[name]))
	case v.Type == nil:
		text = "any JSON"
	case len(v.Type.Slice()) > 3:
		text = "any JSON"
	default:
		text = strings.Join(v.Type.Slice(), " or ")
	}
	return text + bounds(v)
}

func literal(v any) string {
	if v == "" {
		return `""`
	}
	if v == nil {
		return "null"
	}
	return fmt.Sprint(v)
}

func bounds(v *openapi3.Schema) string {
	var text string
	switch {
	case v.Min != nil && v.Max != nil:
		text = fmt.Sprintf(", %.0f to %.0f", *v.Min, *v.Max)
	case v.Min != nil:
		text = fmt.Sprintf(", from %.0f", *v.Min)
	case v.MaxLength != nil:
		text = fmt.Sprintf(" of %d to %d characters", v.MinLength, *v.MaxLength)
	case v.MaxItems != nil:
		text = fmt.Sprintf(", %d to %d", v.MinItems, *v.MaxItems)
	}
	if v.Default != nil {
		text += fmt.Sprintf("; %v where it is not given", v.Default)
	}
	return text
}

// oneLine is text fit for a cell.
func oneLine(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", "\\|")
}
