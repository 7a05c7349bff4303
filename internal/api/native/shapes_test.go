package native_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/api/native"
)

// TestClientKnowsTheShapes holds that what the server writes and what the client reads,
// which know nothing of each other, have the same fields.
func TestClientKnowsTheShapes(t *testing.T) {
	for _, pair := range []struct{ server, client any }{
		{native.Cluster{}, client.Cluster{}},
		{native.Scrub{}, client.Scrub{}},
		{native.Disk{}, client.Disk{}},
		{native.Encryption{}, client.Encryption{}},
		{native.Port{}, client.Port{}},
		{native.Certificate{}, client.Certificate{}},
		{native.Audit{}, client.Audit{}},
	} {
		server, known := reflect.TypeOf(pair.server), reflect.TypeOf(pair.client)
		if diff := cmp.Diff(shape(server), shape(known)); diff != "" {
			t.Errorf("%v, and then %v:\n%s", server, known, diff)
		}
	}
}

// shape is a type with all that it has in it, but for its name.
func shape(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Slice:
		return "[]" + shape(t.Elem())
	case reflect.Pointer:
		return "*" + shape(t.Elem())
	case reflect.Struct:
		var b strings.Builder
		for f := range t.Fields() {
			fmt.Fprintf(&b, "%s %s %s\n", f.Name, shape(f.Type), f.Tag)
		}
		return "struct {\n" + b.String() + "}"
	}
	return t.String()
}
