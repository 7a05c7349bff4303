package native

// Disk is the room on the data directory's disk.
type Disk struct {
	FreeBytes    int64 `json:"free_bytes"`
	ReserveBytes int64 `json:"reserve_bytes"` // free bytes below which puts are refused
}

// Encryption is what the data directory is encrypted with.
type Encryption struct {
	KeyID string `json:"key_id"` // of the active key
}

// Port is one that the node listens on.
type Port struct {
	Name string `json:"name"` // "api", "binding" or "pprof"
	Open bool   `json:"open"` // to other machines
	TLS  bool   `json:"tls"`
}

// Certificate is one that the node shows.
type Certificate struct {
	Use       string   `json:"use"`        // "ports" or "cluster"
	Names     []string `json:"names"`      // that it is for
	NotBefore int64    `json:"not_before"` // unix seconds
	NotAfter  int64    `json:"not_after"`  // unix seconds
}

// Audit is how the audit log is.
type Audit struct {
	Strict  bool  `json:"strict"`  // nothing is changed that it does not have
	Failing bool  `json:"failing"` // its file could not be written to, last time
	Dropped int64 `json:"dropped"` // entries that it does not have
}
