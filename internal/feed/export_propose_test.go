package feed

import (
	"bytes"
	"context"
	"net/http"

	"github.com/godwitkv/godwit"
)

var AppendProposal = appendProposal

const MaxProposalsBytes = maxProposalsBytes

// Memory is a bound on what is held.
type Memory struct{ m memory }

func (m *Memory) Take(n int64) error { return m.m.take(n) }
func (m *Memory) Give(n int64)       { m.m.give(n) }

// ProposeBody sends any body as a proposal.
func ProposeBody(ctx context.Context, c *Client, secret string, body []byte) error {
	req, err := c.request(ctx, http.MethodPost, "/propose", nil, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	resp, err := c.send(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return drain(resp.Body)
}

// IdentifyAs is Client.Identify with another token of the node's own.
func IdentifyAs(ctx context.Context, c *Client, own, secret string) (*godwit.Token, bool, error) {
	other := *c
	other.cfg.Token = own
	return other.Identify(ctx, secret)
}
