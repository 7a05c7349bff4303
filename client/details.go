package client

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
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

// scannedJSON is how the server tells of a key in a list.
type scannedJSON struct {
	detailsJSON
	Value        *string `json:"value"`
	Base64       bool    `json:"base64"`
	ValueOmitted bool    `json:"value_omitted"`
}

func (s *scannedJSON) scanned() (Scanned, error) {
	k := Scanned{Details: s.details(), ValueOmitted: s.ValueOmitted}
	switch {
	case s.Value == nil:
	case s.Base64:
		value, err := base64.StdEncoding.DecodeString(*s.Value)
		if err != nil {
			return k, fmt.Errorf("read value of %q: %w", s.Name, err)
		}
		k.Value = value
	default:
		k.Value = []byte(*s.Value)
	}
	return k, nil
}
