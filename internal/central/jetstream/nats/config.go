package nats

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// DefaultMaxBytes is how much the stream may hold: at the cap it takes no more,
// rather than to drop what some member may lack.
const DefaultMaxBytes = 8 << 30

const (
	leastMaxBytes = 64 << 20
	duplicates    = 100 * time.Millisecond // the least that NATS takes; nothing names its messages, so none are remembered
	idKey         = "godwit_id"            // in the stream's metadata
)

// object is a stream's configuration as NATS writes it. It is compared as a whole,
// so that what a later version adds does not go unnoticed.
type object = map[string]any

// wanted is the configuration of a cluster's stream.
//
// Every message that was stored is told on the tail subject at once, with its
// sequence; any replica answers for what is missing. See Read.
func wanted(cfg *StreamConfig, id string) object {
	return object{
		"name": streamName(cfg.Cluster), "subjects": []any{logSubject(cfg.Cluster)},
		"description": "the log of the godwit cluster " + cfg.Cluster,
		"retention":   "limits", "storage": "file", "num_replicas": float64(cfg.Replicas), "compression": "none",
		"discard": "new", "max_bytes": float64(cfg.MaxBytes),
		"max_consumers": float64(-1), "max_msgs": float64(-1), "max_msgs_per_subject": float64(-1), "max_msg_size": float64(-1),
		"duplicate_window": float64(duplicates), "deny_delete": true, "allow_direct": true,
		"republish": object{"src": logSubject(cfg.Cluster), "dest": tailSubject(cfg.Cluster)},
		"metadata":  object{idKey: id},
	}
}

// free are fields that are others' to choose.
var free = []string{"description", "placement", "metadata", "max_bytes"}

// differences returns what of a stream's configuration is not as it must be, each
// as a sentence.
func differences(is, want object) (found []string) {
	names := make([]string, 0, len(is))
	for name := range want {
		names = append(names, name)
	}
	for name := range is {
		if _, ok := want[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if slices.Contains(free, name) {
			continue
		}
		a, b := text(is[name]), text(want[name])
		if a != b {
			found = append(found, fmt.Sprintf("%s is %s, wanted %s", name, a, b))
		}
	}
	if n, _ := is["max_bytes"].(float64); n < leastMaxBytes {
		found = append(found, fmt.Sprintf("max_bytes is %s, wanted %d or more", text(is["max_bytes"]), leastMaxBytes))
	}
	return found
}

// text is a value as NATS writes it; what is not there, false or empty is "none".
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return "none"
	case bool:
		if !v {
			return "none"
		}
	case float64:
		if v == 0 {
			return "none"
		}
	case string:
		if v == "" {
			return "none"
		}
	case []any:
		if len(v) == 0 {
			return "none"
		}
	case object:
		if len(v) == 0 {
			return "none"
		}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // of what was JSON
	return strings.TrimSpace(b.String())
}

// differentError refuses a stream that is not as it must be.
func differentError(name string, found []string) *RefusedError {
	return &RefusedError{fmt.Sprintf("the stream %s in NATS is not as godwit makes it, somebody else made or changed it: %s", name, strings.Join(found, "; "))}
}
