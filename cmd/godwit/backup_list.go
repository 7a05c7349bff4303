package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godwitkv/godwit/internal/backup/repository"
)

// backupListCmd lists backups.
type backupListCmd struct {
	depot
	Backups string `arg:"" name:"repository" placeholder:"DIR" help:"The repository: s3://BUCKET/PREFIX, file:///DIR, or a directory."`
	JSON    bool   `name:"json" help:"Show them as a JSON array."`
}

// listed is a backup in a list.
type listed struct {
	ID         string    `json:"id"`
	Created    time.Time `json:"created"`
	Cluster    string    `json:"cluster_id"`
	Revision   string    `json:"revision"`
	Generation uint64    `json:"generation"`
	Keys       int64     `json:"keys"`
	Bytes      int64     `json:"bytes"`
	Stored     int64     `json:"stored_bytes"`
	Encrypted  bool      `json:"encrypted"`
}

// Run lists them, oldest first.
func (c *backupListCmd) Run(ctx context.Context, p *program) (err error) {
	r, err := c.open(c.Backups, repository.Config{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if _, err := r.Cluster(ctx); err != nil {
		return err
	}
	ids, err := r.IDs(ctx)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		return fmt.Errorf("%s has no backups", r)
	}
	array, table := p.jsonArray(), p.table("ID", "CREATED", "REVISION", "KEYS", "BYTES", "STORED", "ENCRYPTED")
	var wrong []error
	for _, id := range ids {
		b, err := r.Head(ctx, id)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		l := listed{b.ID, b.Created, b.Cluster, b.Revision.String(), b.Generation(), b.Keys, b.Bytes, b.Stored(), b.Encrypted()}
		if c.JSON {
			err = array.add(l)
		} else {
			encrypted := "no"
			if l.Encrypted {
				encrypted = "age"
			}
			table.row(l.ID, l.Created.Format(time.RFC3339), l.Revision, fmt.Sprint(l.Keys), countBytes(l.Bytes), countBytes(l.Stored), encrypted)
		}
		if err != nil {
			return err
		}
	}
	if c.JSON {
		err = array.close()
	} else {
		err = table.close()
	}
	return errors.Join(append(wrong, err)...)
}
