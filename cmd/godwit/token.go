package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/godwitkv/godwit/client"
)

// tokenCmd is about tokens.
type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Create a token and show it, once."`
	List   tokenListCmd   `cmd:"" help:"List tokens, but for the root token."`
	Revoke tokenRevokeCmd `cmd:"" help:"Revoke a token."`
	Rotate tokenRotateCmd `cmd:"" help:"Replace the root token and show the new one, once."`
}

type tokenCreateCmd struct {
	remote
	Permission string   `env:"-" required:"" help:"read, write (and read), admin (all) or replicate (read, and follow the feed)." enum:"read,write,admin,replicate" placeholder:"NAME"`
	Namespaces []string `env:"-" help:"Ids or titles of the namespaces that the token is for. Default: all." placeholder:"A,B"`
	Expires    moment   `env:"-" help:"When the token ends: unix seconds, a date, a time, or a time span from now such as 30d. Default: never." placeholder:"WHEN"`
	Name       string   `env:"-" help:"What the token is for, to tell it from others." placeholder:"TEXT"`
	Rate       float64  `name:"requests-per-second" env:"-" help:"Requests a second that each node answers. Default: any number." default:"0" placeholder:"R"`
	JSON       bool     `name:"json" help:"Show the token as JSON, its secret as \"token\"."`
}

// Run creates a token.
func (c *tokenCreateCmd) Run(ctx context.Context, p *program) error {
	if c.Namespaces != nil && len(c.Namespaces) == 0 { // a variable that was not set, say: that is not "all"
		return wrongUsage{errors.New("--namespaces is empty: name some, or leave it out for all")}
	}
	cl, err := c.client()
	if err != nil {
		return err
	}
	t, err := cl.CreateToken(ctx, client.TokenSpec{
		Name:       c.Name,
		Permission: c.Permission,
		Namespaces: c.Namespaces,
		Expires:    c.Expires.unix(time.Now()),

		RequestsPerSecond: c.Rate,
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return p.writeJSON(t)
	}
	if isTerminal(p.stdout) {
		p.note("Created token %s. Its secret is shown this once:", t.ID)
	} else {
		p.note("Created token %s. Its secret went where standard output goes, this once.", t.ID)
	}
	_, err = fmt.Fprintln(p.stdout, t.Secret)
	return err
}

type tokenListCmd struct {
	remote
	JSON bool `name:"json" help:"Show them as a JSON array."`
}

// Run lists tokens.
func (c *tokenListCmd) Run(ctx context.Context, p *program) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	tokens, err := cl.Tokens(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return p.writeJSON(tokens)
	}
	t := p.table("ID", "PERMISSION", "NAMESPACES", "CREATED", "EXPIRES", "RATE", "NAME")
	for _, k := range tokens {
		namespaces := "all"
		if len(k.Namespaces) > 0 {
			namespaces = strings.Join(k.Namespaces, ",")
		}
		t.row(k.ID, k.Permission, namespaces, when(k.Created), when(k.Expires), rateOf(k.RequestsPerSecond), k.Name)
	}
	return t.close()
}

// rateOf shows a limit of requests a second, 0 for none.
func rateOf(r float64) string {
	if r == 0 {
		return "-"
	}
	return fmt.Sprint(r)
}

type tokenRevokeCmd struct {
	remote
	ID string `arg:"" help:"The token's id, as \"godwit token list\" shows it."`
}

// Run revokes a token.
func (c *tokenRevokeCmd) Run(ctx context.Context, p *program) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	if err := cl.RevokeToken(ctx, c.ID); err != nil {
		return err
	}
	p.note("Revoked token %s.", c.ID)
	return nil
}

type tokenRotateCmd struct {
	remote
	JSON bool `name:"json" help:"Show the token as JSON."`
}

// Run replaces the root token.
func (c *tokenRotateCmd) Run(ctx context.Context, p *program) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	secret, err := cl.RotateRootToken(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return p.writeJSON(map[string]string{"token": secret})
	}
	p.note("The root token of before is worth nothing now. The new one:")
	_, err = fmt.Fprintln(p.stdout, secret)
	return err
}
