package transfer

import (
	"context"
	"time"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/steady"
)

// Clock asks a server what time it is, and returns its clock: by that its keys end, and
// this machine's may be wrong. A server too old to tell has this machine's.
func Clock(ctx context.Context, c *client.Client) (func() time.Time, error) {
	s, err := c.Status(ctx)
	if err != nil {
		return nil, err
	}
	if s.TimeMS == 0 {
		return time.Now, nil
	}
	return steady.Tell(time.UnixMilli(s.TimeMS + s.ClockOffsetMS)).Now, nil
}

// Seconds is a clock in unix seconds.
func Seconds(now func() time.Time) func() int64 {
	return func() int64 { return now().Unix() }
}
