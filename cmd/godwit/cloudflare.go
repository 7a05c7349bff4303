package main

import (
	"os"

	"github.com/godwitkv/godwit/internal/transfer"
)

// cloudflareFlags say which namespace at Cloudflare is meant.
type cloudflareFlags struct {
	Account             string `env:"CLOUDFLARE_ACCOUNT_ID" help:"Of cloudflare: the account's id." placeholder:"ID"`
	CloudflareNamespace string `env:"-" help:"Of cloudflare: the namespace's id." placeholder:"ID"`
	CloudflareRate      int    `env:"-" help:"Of cloudflare: requests in five minutes, at the most (${default})." default:"1200" placeholder:"N"`
}

// cloudflare is the namespace that they name. The token and the address are those of
// wrangler's variables.
func (f *cloudflareFlags) cloudflare() (*transfer.Cloudflare, error) {
	c := &transfer.Cloudflare{
		BaseURL: os.Getenv("CLOUDFLARE_API_BASE_URL"), Token: os.Getenv("CLOUDFLARE_API_TOKEN"),
		Account: f.Account, Namespace: f.CloudflareNamespace, Rate: f.CloudflareRate,
	}
	if c.BaseURL == "" {
		c.BaseURL = "https://api.cloudflare.com/client/v4"
	}
	if err := c.Open(); err != nil {
		return nil, wrongUsage{err}
	}
	return c, nil
}
