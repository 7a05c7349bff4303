package nats_test

import (
	"testing"

	"github.com/godwitkv/godwit/internal/central/jetstream/nats"
)

// TestCounts holds what NATS says of a stream of three replicas to whether n3 counts for it.
func TestCounts(t *testing.T) {
	for name, tt := range map[string]struct {
		cluster string
		want    bool
	}{
		"a single server":        {`null`, true},
		"the leader":             {`{"leader":"n3","replicas":[{"name":"n1"},{"name":"n2","offline":true}]}`, true},
		"as good as the others":  {`{"leader":"n1","replicas":[{"name":"n2","current":true},{"name":"n3","current":true}]}`, true},
		"another is away":        {`{"leader":"n1","replicas":[{"name":"n2","offline":true},{"name":"n3","current":true}]}`, true},
		"behind":                 {`{"leader":"n1","replicas":[{"name":"n2","current":true},{"name":"n3","lag":5}]}`, false},
		"not one yet":            {`{"leader":"n1","replicas":[{"name":"n2","current":true},{"name":"n3","current":true,"pending":true}]}`, false},
		"moved":                  {`{"leader":"n1","replicas":[{"name":"n2","current":true},{"name":"n3","current":true}],"desired":{}}`, false},
		"there is room for it":   {`{"leader":"n1","replicas":[{"name":"n2","current":true}]}`, false},
		"in another's place":     {`{"leader":"n1","replicas":[{"name":"n2","current":true},{"name":"old","offline":true}]}`, false},
		"there are three others": {`{"leader":"n1","replicas":[{"name":"n2","current":true},{"name":"n4","current":true}]}`, true},
	} {
		if got := nats.Counts(t, tt.cluster, "n3", 3); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
