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

// TestLed holds what NATS says of a stream of three replicas to whether it takes messages.
func TestLed(t *testing.T) {
	for name, tt := range map[string]struct {
		cluster string
		want    bool
	}{
		"a single server":         {`null`, true},
		"all are there":           {`{"leader":"n1","replicas":[{"name":"n2","current":true},{"name":"n3","current":true}]}`, true},
		"one is away":             {`{"leader":"n1","replicas":[{"name":"n2","current":true},{"name":"n3","offline":true}]}`, true},
		"nobody leads":            {`{"replicas":[{"name":"n2","current":true},{"name":"n3","current":true}]}`, false},
		"both are away":           {`{"leader":"n1","replicas":[{"name":"n2","offline":true},{"name":"n3","offline":true}]}`, false},
		"neither was heard of":    {`{"leader":"n1","replicas":[{"name":"n2","current":true,"active":6000000000},{"name":"n3","current":true,"active":6000000000}]}`, false},
		"the only one lacks some": {`{"leader":"n1","replicas":[{"name":"n2","lag":5},{"name":"n3","offline":true}]}`, false},
	} {
		if err := nats.Led(t, tt.cluster); (err == nil) != tt.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
