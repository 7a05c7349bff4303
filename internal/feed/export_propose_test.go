package feed

import (
	"bytes"
	"context"
	"io"
	"net/http"

	"github.com/godwitkv/godwit"
)

var AppendProposal = appendProposal

const MaxProposalBytes = maxProposalBytes

// ProposeBody sends any body as a proposal.
func ProposeBody(ctx context.Context, c *Client, secret string, body []byte) error {
	return ProposeFrom(ctx, c, secret, bytes.NewReader(body))
}

// ProposeFrom is ProposeBody of a body that comes bit by bit.
func ProposeFrom(ctx context.Context, c *Client, secret string, body io.Reader) error {
	req, err := c.request(ctx, http.MethodPost, "/propose", nil, body)
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
