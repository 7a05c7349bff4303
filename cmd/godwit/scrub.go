package main

import (
	"context"
	"strconv"
	"time"

	"github.com/godwitkv/godwit/client"
)

// scrubCmd has a node read all that is on its disk.
type scrubCmd struct {
	remote
	JSON bool `name:"json" help:"Show how it stands as JSON."`
}

// Run starts it, and does not wait for its end.
func (c *scrubCmd) Run(ctx context.Context, p *program) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	s, err := cl.StartScrub(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return p.writeJSON(s)
	}
	p.note("The node reads all that is on its disk, %s a second at most; \"godwit status\" tells how far it is.", countBytes(s.BytesPerSecond))
	return nil
}

// rows are the lines of godwit status about the scrub.
func (c *statusCmd) scrubRows(row func(...string), s *client.Scrub) {
	state := "off"
	switch {
	case s.Running:
		state = "since " + unixTime(s.Began) + ", " + countBytes(s.Bytes) + " read"
	case s.Next != 0:
		state = "next " + unixTime(s.Next)
	}
	row("scrub", state)
	if s.LastEnded != 0 {
		row("last scrub", unixTime(s.LastEnded)+", "+countBytes(s.LastBytes)+" read, "+
			strconv.FormatInt(s.LastFound, 10)+" damaged, "+strconv.FormatInt(s.LastMended, 10)+" mended")
	}
	if s.Unmended != 0 {
		row("damaged", strconv.FormatInt(s.Unmended, 10))
	}
}

// unixTime says a time in unix seconds.
func unixTime(t int64) string { return time.Unix(t, 0).UTC().Format(time.RFC3339) }
