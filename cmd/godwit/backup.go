package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/godwitkv/godwit/internal/backup"
	"github.com/godwitkv/godwit/internal/backup/repository"
)

// backupCmd makes backups, and looks after them.
type backupCmd struct {
	Make   backupMakeCmd   `cmd:"" default:"withargs" help:"Copy a node's data, while it runs. The word make may be left out."`
	List   backupListCmd   `cmd:"" help:"List the backups in a repository."`
	Verify backupVerifyCmd `cmd:"" help:"Read backups, and make sure that they can be restored."`
}

// backupMakeCmd copies a node's data while it runs.
type backupMakeCmd struct {
	remote
	encryption
	depot
	recipients
	To       string `arg:"" name:"to" placeholder:"DIR" help:"The backup: a directory that is not there, is empty, or is a backup of this cluster; or a repository of several: s3://BUCKET/PREFIX, file:///DIR."`
	CacheDir string `help:"For a repository: the copy from which its backups are made, itself a backup. Default: in the user's cache." placeholder:"DIR"`
	Plain    bool   `env:"-" help:"For a repository: make a backup that is not encrypted, though the last one is."`
	Keep     int    `env:"-" help:"For a repository: remove all but the newest N. Default: keep all." placeholder:"N"`
	JSON     bool   `name:"json" help:"Show what it holds as JSON."`
}

// Run makes the backup, or brings it up to date. Ended early, it goes on the next
// time.
func (c *backupMakeCmd) Run(ctx context.Context, p *program) error {
	ctx, stop := untilSignal(ctx)
	defer stop()
	boundGarbage()
	began := time.Now()
	keys, err := c.keys()
	if err != nil {
		return err
	}
	g := p.progress("copy", c.count(ctx))
	cfg := backup.Config{Dir: c.To, URL: c.URL, Token: c.token(), Keys: keys, Progress: func(now backup.Progress) {
		g.what = now.Stage
		g.add(now.Keys - g.done)
	}}
	if isRepository(c.To) {
		saved, err := c.save(ctx, cfg)
		g.end()
		if saved == nil {
			return err
		}
		return errors.Join(p.tellSaved(saved, began, c.JSON), err)
	}
	if err := c.forOne(); err != nil {
		return err
	}
	r, err := backup.Run(ctx, cfg)
	g.end()
	if err != nil {
		return err
	}
	return p.tellCopied(r, began, c.JSON)
}

// forOne refuses the flags that mean nothing for a directory that is one backup.
func (c *backupMakeCmd) forOne() error {
	if c.Keep != 0 || c.Plain || len(c.AgeRecipient) > 0 || c.AgeRecipientsFile != "" {
		return wrongUsage{fmt.Errorf("%s is one backup: --keep, --plain and --age-recipient are for a repository, file:///DIR or s3://", c.To)}
	}
	return nil
}

// save makes a backup in a repository.
func (c *backupMakeCmd) save(ctx context.Context, cfg backup.Config) (_ *backup.Saved, err error) {
	if c.Keep < 0 {
		return nil, wrongUsage{errors.New("--keep is at least 1")}
	}
	to, readers, err := c.read()
	if err != nil {
		return nil, err
	}
	if c.Plain && len(to) > 0 {
		return nil, wrongUsage{errors.New("either --plain or --age-recipient: a backup is encrypted for recipients")}
	}
	r, err := c.open(c.To, repository.Config{Recipients: to, Plain: c.Plain})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if cfg.Dir, err = cacheDir(c.CacheDir, r.String(), c.S3Endpoint); err != nil {
		return nil, err
	}
	return backup.Save(ctx, backup.SaveConfig{Config: cfg, Repository: r, Readers: readers, Keep: c.Keep})
}

// savedLine is what is shown of a backup in JSON.
type savedLine struct {
	*backup.Saved
	Revision string  `json:"revision"`
	Seconds  float64 `json:"seconds"`
}

// tellSaved tells what was backed up, in one line.
func (p *program) tellSaved(s *backup.Saved, began time.Time, asJSON bool) error {
	took := time.Since(began).Seconds()
	if asJSON {
		return p.writeJSON(savedLine{s, s.Revision.String(), took})
	}
	removed := ""
	if s.Removed.Backups > 0 {
		removed = fmt.Sprintf(", %d old ones removed", s.Removed.Backups)
	}
	_, err := fmt.Fprintf(p.stdout, "%s: backup %s: %d keys, %s, %s added, revision %s, generation %d, %.1f s%s\n",
		printable(s.Place), s.ID, s.Keys, countBytes(s.Bytes), countBytes(s.Added), s.Revision, s.Generation, took, removed)
	if err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// count is how many keys the node has, 0 if it does not say: for the progress alone.
func (c *backupMakeCmd) count(ctx context.Context) int64 {
	cl, err := c.client()
	if err != nil {
		return 0
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	s, err := cl.Status(ctx)
	if err != nil {
		return 0
	}
	return s.Keys
}

// copied is what a command that has filled or changed a directory says.
type copied struct {
	*backup.Result
	Revision string  `json:"revision"`
	Seconds  float64 `json:"seconds"`
}

// tellCopied tells what a directory holds, in one line.
func (p *program) tellCopied(r *backup.Result, began time.Time, asJSON bool) error {
	took := time.Since(began).Seconds()
	if asJSON {
		return p.writeJSON(copied{r, r.Revision.String(), took})
	}
	_, err := fmt.Fprintf(p.stdout, "%s: %d keys, %s, revision %s, generation %d, %.1f s\n",
		strings.TrimSpace(printable(r.Dir)), r.Keys, countBytes(r.Bytes), r.Revision, r.Generation, took)
	if err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}
