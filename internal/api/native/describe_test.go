package native_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/docs"
	"github.com/godwitkv/godwit/internal/api/native"
)

// TestDescriptionIsValid holds the file against the specification of its kind.
func TestDescriptionIsValid(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData([]byte(docs.OpenAPI()))
	check(t, err)
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestDescriptionHasEveryRoute holds the paths and methods of the file against those
// of the handler, and its list of codes against the one table.
func TestDescriptionHasEveryRoute(t *testing.T) {
	doc, err := description()
	check(t, err)
	var described, served []string
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+variable(path))
		}
	}
	for path, methods := range native.Routes() {
		for _, method := range methods {
			served = append(served, method+" "+native.Prefix+path)
		}
	}
	slices.Sort(described)
	slices.Sort(served)
	if diff := cmp.Diff(served, described); diff != "" {
		t.Errorf("(-served +described):\n%s", diff)
	}

	codes := []string{"method_not_allowed", "not_found"}
	for _, code := range godwit.Codes() {
		_, name, _ := native.Reply(code)
		codes = append(codes, name)
	}
	var listed []string
	for _, code := range doc.Components.Schemas["ErrorCode"].Value.Enum {
		listed = append(listed, fmt.Sprint(code))
	}
	slices.Sort(codes)
	slices.Sort(listed)
	if diff := cmp.Diff(codes, listed); diff != "" {
		t.Errorf("codes (-answered +described):\n%s", diff)
	}
}

// variable is path with each "{name}" as "*".
func variable(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if strings.HasPrefix(s, "{") {
			segments[i] = "*"
		}
	}
	return strings.Join(segments, "/")
}

func TestDescriptionNeedsNoToken(t *testing.T) {
	w := newWorld(t)
	res := w.response("GET", "/godwit/v1/openapi.yaml", "", "")
	if res.Code != 200 || res.Body.String() != docs.OpenAPI() || res.Header().Get("Content-Type") != "application/yaml" {
		t.Errorf("got %d %s, %d bytes", res.Code, res.Header().Get("Content-Type"), res.Body.Len())
	}
	if res := w.response("POST", "/godwit/v1/openapi.yaml", "", ""); res.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", res.Code)
	}
	if res := w.response("GET", "/godwit/v1/openapi.yml", "", ""); res.Code != http.StatusUnauthorized {
		t.Errorf("another path: %d", res.Code)
	}
}
