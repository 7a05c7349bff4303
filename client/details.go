package client

import (
	"encoding/json"
	"time"
)

// detailsJSON is how the server tells of a key.
type detailsJSON struct {
	Name       string          `json:"name"`
	Revision   string          `json:"revision"`
	Created    int64           `json:"created"`
	Modified   int64           `json:"modified"`
	Size       int64           `json:"size"`
	Expiration int64           `json:"expiration"`
	Metadata   json.RawMessage `json:"metadata"`
}

func (d *detailsJSON) details() Details {
	return Details{
		Name: d.Name, Revision: d.Revision, Created: time.UnixMilli(d.Created), Modified: time.UnixMilli(d.Modified),
		Expiration: unixTime(d.Expiration), Size: d.Size, Metadata: present(d.Metadata),
	}
}
