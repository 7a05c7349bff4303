package feed

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"

	"github.com/godwitkv/godwit"
)

// Barrier is Log.Barrier at the upstream.
func (c *Client) Barrier(ctx context.Context) (godwit.Revision, error) {
	req, err := c.passedOn(ctx, http.MethodPost, "/barrier", nil, nil)
	if err != nil {
		return 0, err
	}
	resp, err := c.send(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if err := drain(resp.Body); err != nil {
		return 0, err
	}
	r, err := godwit.ParseRevision(resp.Header.Get(headerRevision))
	if err != nil {
		return 0, broken(err)
	}
	return r, nil
}

// Identify returns whom a credential stands for at the upstream, and whether it
// is its root token. Error: ErrUnauthenticated, if it stands for nobody.
func (c *Client) Identify(ctx context.Context, secret string) (t *godwit.Token, root bool, err error) {
	req, err := c.passedOn(ctx, http.MethodPost, "/identify", nil, bytes.NewReader([]byte(secret)))
	if err != nil {
		return nil, false, err
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	resp, err := c.send(req)
	if err != nil {
		return nil, false, ownToken(err)
	}
	var id identity
	err = json.NewDecoder(io.LimitReader(resp.Body, maxIdentityBytes)).Decode(&id)
	if err == nil {
		err = drain(resp.Body)
	}
	resp.Body.Close()
	switch {
	case err != nil:
		return nil, false, broken(err)
	case id.Token == nil:
		return nil, false, godwit.ErrUnauthenticated
	}
	id.Token.Hash = sha256.Sum256([]byte(secret))
	return id.Token, id.Root, nil
}

// ownToken is the error of a request made with this node's own token for
// somebody else, whose token is not the one that is refused.
func ownToken(err error) error {
	switch godwit.CodeOf(err) {
	case godwit.CodeUnauthenticated, godwit.CodeForbidden:
		return &godwit.Error{Code: godwit.CodeUnavailable, Message: "The upstream does not take this node's token.", Err: err}
	}
	return err
}
