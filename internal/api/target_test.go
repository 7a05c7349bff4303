package api_test

import (
	"testing"

	"github.com/godwitkv/godwit/internal/api"
)

func TestSplitTarget(t *testing.T) {
	for target, want := range map[string][2]string{
		"/":                       {"/", ""},
		"/a%2Fb//../c?d=e?f#g":    {"/a%2Fb//../c", "d=e?f#g"},
		"//host/a":                {"//host/a", ""},
		"/a://b/c":                {"/a://b/c", ""},
		"/a?b=http://c/d":         {"/a", "b=http://c/d"},
		"http://host":             {"/", ""},
		"http://host?a":           {"/", "a"},
		"http://host?a=/b":        {"/", "a=/b"},
		"http://host/":            {"/", ""},
		"HTTPS://u@host:1//a%20?": {"//a%20", ""},
		"*":                       {"*", ""},
		"":                        {"", ""},
	} {
		if path, query := api.SplitTarget(target); path != want[0] || query != want[1] {
			t.Errorf("%q is %q and %q, want %q", target, path, query, want)
		}
	}
}
