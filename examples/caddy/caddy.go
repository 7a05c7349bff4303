package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/godwitkv/godwit/client"
)

// caddy is a Caddy that runs.
type caddy struct{ admin, listen string }

type object = map[string]any

// update gives Caddy a configuration with a route for each key. As JSON: whatever a key or
// a value holds, it cannot be more than a host and a place.
func (c caddy) update(ctx context.Context, kv *client.KV) error {
	routes := []object{}
	for k, err := range kv.Scan(ctx, client.ScanOptions{Values: true}) {
		if err != nil {
			return fmt.Errorf("list redirects: %w", err)
		}
		routes = append(routes, object{
			"match":  []object{{"host": []string{k.Name}}},
			"handle": []object{{"handler": "static_response", "status_code": "302", "headers": object{"Location": []string{string(k.Value)}}}},
		})
	}
	routes = append(routes, object{"handle": []object{{"handler": "static_response", "status_code": "404", "body": "no such host\n"}}})
	return c.load(ctx, object{
		"admin": object{"listen": c.admin},
		"apps": object{"http": object{"servers": object{"edge": object{
			"listen": []string{c.listen}, "routes": routes, "automatic_https": object{"disable": true},
		}}}},
	})
}

// load replaces Caddy's configuration. It goes on with the old one if the new one is wrong.
func (c caddy) load(ctx context.Context, config object) error {
	body, err := json.Marshal(config)
	if err != nil {
		return fmt.Errorf("encode configuration: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.admin+"/load", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask Caddy: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask Caddy: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 512))
		return fmt.Errorf("caddy takes no such configuration: %s: %s", res.Status, text)
	}
	return nil
}
