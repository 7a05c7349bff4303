package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/godwitkv/godwit/client"
)

// putCmd writes a key.
type putCmd struct {
	place
	Key        string    `arg:"" help:"The key."`
	Value      *string   `arg:"" optional:"" help:"The value; - reads it from standard input."`
	Path       string    `env:"-" help:"File to read the value from." placeholder:"FILE"`
	Metadata   string    `env:"-" help:"Metadata, as JSON." placeholder:"JSON"`
	TTL        *duration `name:"ttl" env:"-" help:"How long the key lives: seconds, or a time span such as 12h." placeholder:"D"`
	Expiration moment    `env:"-" help:"When the key ends: unix seconds, a date, a time, or a time span from now." placeholder:"WHEN"`
	conditions
	JSON bool `name:"json" help:"Show the revision of the write as JSON."`
}

// conditions is what a write may ask of the key.
type conditions struct {
	IfMatch     *string `env:"-" help:"Write only if the key has this revision; * is any." placeholder:"REVISION"`
	IfNoneMatch *string `env:"-" help:"Write only if the key has not this revision; * is: only if there is no such key." placeholder:"REVISION"`
}

// revisions are "" where none was given.
func (c *conditions) revisions() (ifMatch, ifNoneMatch string, err error) {
	if ifMatch, err = revision("--if-match", c.IfMatch); err != nil {
		return "", "", err
	}
	ifNoneMatch, err = revision("--if-none-match", c.IfNoneMatch)
	return ifMatch, ifNoneMatch, err
}

// revision takes a revision as it stands in an ETag header, too. An empty one, such as a
// script's variable that was never set, would be no condition.
func revision(flag string, given *string) (string, error) {
	if given == nil {
		return "", nil
	}
	if r := strings.Trim(*given, `" `); r != "" {
		return r, nil
	}
	return "", fmt.Errorf("%s: no revision is given: leave it out for a write without a condition", flag)
}

// Run puts the key.
func (c *putCmd) Run(ctx context.Context, p *program) error {
	opts, err := c.options(time.Now())
	if err != nil {
		return wrongUsage{err}
	}
	value, size, err := c.value(p)
	if err != nil {
		return err
	}
	defer func() { _ = value.Close() }()
	kv, err := c.open()
	if err != nil {
		return err
	}
	bar := p.progress("put", size)
	written, err := kv.Put(ctx, c.Key, watched(value, bar), opts)
	bar.end()
	if err != nil {
		return err
	}
	if c.JSON {
		return p.writeJSON(map[string]string{"revision": written})
	}
	p.note("Wrote %q, revision %s.", c.Key, written)
	return nil
}

// options are what the flags ask of the write.
func (c *putCmd) options(now time.Time) (client.PutOptions, error) {
	ifMatch, ifNoneMatch, err := c.revisions()
	opts := client.PutOptions{IfMatch: ifMatch, IfNoneMatch: ifNoneMatch}
	if err != nil {
		return opts, err
	}
	if c.TTL != nil {
		if *c.TTL == 0 {
			return opts, errors.New("--ttl: 0 is no life: leave it out for a key that stays")
		}
		opts.ExpirationTTL = time.Duration(*c.TTL)
	}
	if sec := c.Expiration.unix(now); sec != 0 {
		opts.Expiration = time.Unix(sec, 0)
	}
	if c.Metadata != "" {
		if !json.Valid([]byte(c.Metadata)) {
			return opts, errors.New("--metadata is not JSON")
		}
		opts.Metadata = json.RawMessage(c.Metadata)
	}
	return opts, nil
}

// value opens what is to be written. size is 0 where it is not known.
func (c *putCmd) value(p *program) (r io.ReadCloser, size int64, err error) {
	switch {
	case c.Value != nil && c.Path != "":
		return nil, 0, wrongUsage{errors.New("give either VALUE or --path, not both")}
	case c.Path != "":
		f, err := os.Open(c.Path)
		if err != nil {
			return nil, 0, fmt.Errorf("open value: %w", err)
		}
		info, err := f.Stat()
		if err != nil || !info.Mode().IsRegular() {
			return f, 0, nil // a pipe, say: read it as it comes
		}
		return f, info.Size(), nil
	case c.Value == nil:
		return nil, 0, wrongUsage{errors.New("give VALUE, --path FILE, or - for standard input")}
	case *c.Value == "-":
		return io.NopCloser(p.stdin), 0, nil
	}
	return stringValue{strings.NewReader(*c.Value)}, int64(len(*c.Value)), nil
}

// stringValue can be read again, so that a put can be repeated.
type stringValue struct{ *strings.Reader }

func (stringValue) Close() error { return nil }

// watched draws how far r is read. What can be rewound still can be.
func watched(r io.Reader, bar *progress) io.Reader {
	if bar.w == nil {
		return r
	}
	if s, ok := r.(io.Seeker); ok {
		return struct {
			io.Reader
			io.Seeker
		}{bar.reader(r), s}
	}
	return bar.reader(r)
}
