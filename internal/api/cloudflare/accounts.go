package cloudflare

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/godwitkv/godwit"
)

const accountName = "godwit"

type account struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
}

type membership struct {
	ID      string  `json:"id"`
	Status  string  `json:"status"`
	Account account `json:"account"`
}

type user struct {
	ID    string `json:"id"`
	Email string `json:"email"`
}

type tokenStatus struct {
	ID        string `json:"id"`
	Status    string `json:"status"`
	ExpiresOn string `json:"expires_on,omitempty"`
}

func (c *call) account() account {
	return account{ID: c.h.catalog.Account(), Name: accountName, Type: "standard"}
}

// caller is the id and name of the token that asks. The root token has no id:
// the account's stands in.
func (c *call) caller() (id, name string) {
	if t := c.principal.Token; !c.principal.Root && t != nil {
		if t.Name == "" {
			return t.ID, t.ID
		}
		return t.ID, t.Name
	}
	return c.h.catalog.Account(), "root"
}

// user answers GET /user. There are no users, only tokens.
func (c *call) user() error {
	id, name := c.caller()
	return c.reply(user{ID: id, Email: name + "@" + accountName}, nil)
}

// verifyToken answers GET /user/tokens/verify. That the caller came this far is
// the answer.
func (c *call) verifyToken() error {
	id, _ := c.caller()
	s := tokenStatus{ID: id, Status: "active"}
	if t := c.principal.Token; t != nil && t.Expires != 0 {
		s.ExpiresOn = time.Unix(t.Expires, 0).UTC().Format(time.RFC3339)
	}
	return c.send(http.StatusOK, envelope{
		Result:   s,
		Success:  true,
		Messages: []notice{{codeTokenIsActive, "This API Token is valid and active"}},
	})
}

// listAccounts answers GET /accounts: there is one.
func (c *call) listAccounts() error {
	return replyPage(c, []account{c.account()}, accountsPerPage)
}

func (c *call) getAccount() error { return c.reply(c.account(), nil) }

// listMemberships answers GET /memberships, which wrangler asks along with
// GET /accounts.
func (c *call) listMemberships() error {
	a := c.account()
	return replyPage(c, []membership{{ID: a.ID, Status: "accepted", Account: a}}, accountsPerPage)
}

type scriptBinding struct {
	Type        string             `json:"type"`
	Name        string             `json:"name"`
	NamespaceID godwit.NamespaceID `json:"namespace_id"`
}

// scriptSettings answers what wrangler asks when its configuration names a
// binding but no namespace. No Worker is deployed here, so the bindings are
// those that titles suggest: wrangler calls the namespace that it makes for
// binding MY_KV of a Worker "worker-my-kv"; a title that fits as it stands comes
// second.
func (c *call) scriptSettings() error {
	script := strings.ToLower(c.params.script) + "-"
	own, shared := []scriptBinding{}, []scriptBinding{}
	seen := map[string]bool{}
	for _, ns := range c.h.catalog.Namespaces() {
		if !c.covers(ns.ID) {
			continue
		}
		if rest, ok := strings.CutPrefix(ns.Title, script); ok {
			name := strings.ToUpper(strings.ReplaceAll(rest, "-", "_"))
			own = append(own, scriptBinding{"kv_namespace", name, ns.ID})
			seen[name] = true
		}
	}
	for _, ns := range c.h.catalog.Namespaces() {
		if c.covers(ns.ID) && isIdentifier(ns.Title) && !seen[ns.Title] {
			shared = append(shared, scriptBinding{"kv_namespace", ns.Title, ns.ID})
		}
	}
	byName := func(a, b scriptBinding) int { return cmp.Compare(a.Name, b.Name) }
	slices.SortFunc(own, byName)
	slices.SortFunc(shared, byName)
	return c.reply(map[string]any{"bindings": append(own, shared...)}, nil)
}

// isIdentifier tells whether a binding can have this name.
func isIdentifier(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if (c < 'a' || c > 'z') && s[i] != '_' && s[i] != '$' && (i == 0 || s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return s != ""
}
