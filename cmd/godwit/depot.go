package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	places "github.com/godwitkv/godwit/internal/backup/place"
	"github.com/godwitkv/godwit/internal/backup/repository"
)

// depot is the flags of what keeps several backups.
type depot struct {
	S3Endpoint string `name:"s3-endpoint" env:"GODWIT_S3_ENDPOINT,AWS_ENDPOINT_URL_S3,AWS_ENDPOINT_URL" help:"Of s3://: the URL of the service. Default: Amazon's." placeholder:"URL"`
	S3Region   string `name:"s3-region" env:"GODWIT_S3_REGION,AWS_REGION,AWS_DEFAULT_REGION" help:"Of s3://: the region. Default: that of the bucket." placeholder:"NAME"`
}

// opens is the flags of what reads backups.
type opens struct {
	depot
	AgeIdentity []string `name:"age-identity" type:"path" help:"File of age identities, to read encrypted backups with. Several may be given." placeholder:"FILE"`
	Plain       bool     `env:"-" help:"With --age-identity: take also a backup that is not encrypted. Whoever can write to the repository may have made it."`
}

// isRepository tells whether an address is that of a repository, and not a directory
// that is one.
func isRepository(address string) bool {
	if places.IsURL(address) {
		return true
	}
	_, err := os.Stat(filepath.Join(address, repository.IdentityName))
	return err == nil
}

// open opens what is at an address. The caller closes it.
func (d *depot) open(address string, cfg repository.Config) (_ *repository.Repository, err error) {
	cfg.Place, err = places.Open(address, places.Config{S3Endpoint: d.S3Endpoint, S3Region: d.S3Region})
	if err != nil {
		return nil, wrongUsage{err}
	}
	return repository.New(cfg)
}

// repository opens what is at an address for reading.
func (o *opens) repository(address string, moved func(int64)) (*repository.Repository, error) {
	cfg := repository.Config{Moved: moved, Plain: o.Plain}
	for _, file := range o.AgeIdentity {
		ids, err := readIdentities(file)
		if err != nil {
			return nil, err
		}
		cfg.Identities = append(cfg.Identities, ids...)
	}
	return o.open(address, cfg)
}

// readIdentities reads a file of identities. Its errors repeat nothing of it.
func readIdentities(file string) ([]age.Identity, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read age identities: %w", err)
	}
	ids, err := age.ParseIdentities(strings.NewReader(strings.Join(keyLines(string(text)), "\n")))
	if err != nil {
		return nil, fmt.Errorf("%s is no file of age identities: each line is AGE-SECRET-KEY-1..., or a comment behind #", file)
	}
	return ids, nil
}

// recipients is the flags of whom backups are encrypted for.
type recipients struct {
	AgeRecipient      []string `name:"age-recipient" env:"-" sep:"none" help:"Encrypt for this recipient, age1.... Several may be given." placeholder:"RECIPIENT"`
	AgeRecipientsFile string   `name:"age-recipients-file" help:"Encrypt for the recipients in this file, one a line." placeholder:"FILE"`
}

// read returns the recipients and what names them; nil if there are none.
func (r *recipients) read() (all []age.Recipient, readers *[sha256.Size]byte, err error) {
	lines := keyLines(strings.Join(r.AgeRecipient, "\n"))
	if r.AgeRecipientsFile != "" {
		b, err := os.ReadFile(r.AgeRecipientsFile)
		if err != nil {
			return nil, nil, fmt.Errorf("read age recipients: %w", err)
		}
		lines = append(lines, keyLines(string(b))...)
	}
	if len(r.AgeRecipient) == 0 && r.AgeRecipientsFile == "" {
		return nil, nil, nil
	}
	all, err = age.ParseRecipients(strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		return nil, nil, wrongUsage{fmt.Errorf("an age recipient is age1..., one a line: %w", err)}
	}
	return all, namesOf(lines), nil
}

// keyLines returns the keys in a text, one a line: without comments, blank lines, the
// byte order mark that some editors begin a file with, and indentation.
func keyLines(text string) (keys []string) {
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			keys = append(keys, line)
		}
	}
	return keys
}

// namesOf is a hash of recipients, in any order.
func namesOf(keys []string) *[sha256.Size]byte {
	sum := sha256.Sum256([]byte(strings.Join(slices.Compact(slices.Sorted(slices.Values(keys))), "\n")))
	return &sum
}

// cacheDir is where the copy stands that backups are made from, unless it is given: one
// for each place.
func cacheDir(given, address, endpoint string) (string, error) {
	if given != "" {
		return given, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", wrongUsage{errors.New("--cache-dir is needed: there is no home directory with a cache")}
	}
	if !strings.HasPrefix(address, "s3://") {
		endpoint = ""
		if address, err = filepath.Abs(address); err != nil {
			return "", fmt.Errorf("find %s: %w", address, err)
		}
	}
	sum := sha256.Sum256([]byte(endpoint + "\n" + address))
	return filepath.Join(dir, "godwit", fmt.Sprintf("backup-%x", sum[:8])), nil
}

// which is the flags that choose one of several backups.
type which struct {
	Backup string `name:"backup" env:"-" xor:"which" help:"The backup with this id. Default: the newest." placeholder:"ID"`
	At     moment `env:"-" xor:"which" help:"The newest backup of that time or before: unix seconds, a date, a time, or a time span before now such as 12h." placeholder:"WHEN"`
}

func (w *which) given() bool { return w.Backup != "" || w.At != (moment{}) }

// find is the id of the backup that is meant.
func (w *which) find(ctx context.Context, r *repository.Repository) (string, error) {
	if w.Backup != "" {
		return w.Backup, nil
	}
	at := w.At.at
	if w.At.in != 0 {
		at = time.Now().Add(-w.At.in)
	}
	return r.Find(ctx, at)
}
