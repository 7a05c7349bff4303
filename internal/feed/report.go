package feed

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// reportHeadBytes is what a report takes beside the nodes in it, at most.
const reportHeadBytes = 256

// Report tells the upstream how this node is. The stream echoes it. Of the nodes behind
// this one those are left out for which the upstream has no room.
func (c *Client) Report(ctx context.Context, r Report) error {
	r.Followers = Bounded(Node{r.Follower, r.Followers}, maxReportBytes-reportHeadBytes).Followers
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	req, err := c.request(ctx, http.MethodPost, "/report", nil, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.send(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return drain(resp.Body)
}
