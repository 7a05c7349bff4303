package client

import "context"

// Analytics are what was asked of a namespace at one node, and what it holds.
type Analytics struct {
	Since    int64   `json:"since"` // when the node began to count, in unix seconds
	Keys     int64   `json:"keys"`  // that the node's copy of the namespace holds
	Bytes    int64   `json:"bytes"`
	LastHour Actions `json:"last_hour"`
	LastDay  Actions `json:"last_day"` // to the hour
}

// Actions are what was asked, by its kind.
type Actions struct {
	Read   ActionTotal `json:"read"`
	Write  ActionTotal `json:"write"`
	Delete ActionTotal `json:"delete"`
	List   ActionTotal `json:"list"`
}

// ActionTotal is how often something was asked.
type ActionTotal struct {
	Requests int64     `json:"requests"`
	Keys     int64     `json:"keys"`   // that they asked for, wrote or found
	Bytes    int64     `json:"bytes"`  // of the values under them, but of transactions and lists
	Failed   int64     `json:"failed"` // of the requests
	Latency  Quantiles `json:"latency_ms"`
}

// Quantiles are what so many requests did not exceed, in milliseconds, right within a
// factor of two.
type Quantiles struct {
	P25  float64 `json:"p25"`
	P50  float64 `json:"p50"`
	P75  float64 `json:"p75"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
}

// Analytics asks the node what was asked of the namespace there: each node counts for
// itself, from its start. Errors: ErrNamespaceNotFound, ErrForbidden; ErrUnavailable
// where more namespaces are in use than the node counts.
func (kv *KV) Analytics(ctx context.Context) (*Analytics, error) {
	var a Analytics
	if err := kv.native(ctx, "/analytics", nil, nil, &a); err != nil {
		return nil, err
	}
	return &a, nil
}
