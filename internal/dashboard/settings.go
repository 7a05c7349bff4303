package dashboard

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/godwitkv/godwit"
)

// Kinds of settings, by what the API takes them as.
const (
	wholeSetting = iota
	numberSetting
	textSetting
)

// settingsKinds are the settings of the form by the API's names, in the form's order.
func settingsKinds() []struct {
	name string
	kind int
} {
	return []struct {
		name string
		kind int
	}{
		{"min_expiration_ttl", wholeSetting},
		{"min_cache_ttl", wholeSetting},
		{"writes_per_key", numberSetting},
		{"consistency", textSetting},
		{"history", textSetting},
		{"erase_within", textSetting},
		{"requests_per_second", numberSetting},
		{"max_keys", wholeSetting},
		{"max_bytes", wholeSetting},
	}
}

// settingsForm is godwit.Settings as text by the API's names, "" where the node's own
// value is in force.
type settingsForm map[string]string

func formOf(s godwit.Settings) settingsForm {
	return settingsForm{
		"min_expiration_ttl": whole(s.MinExpirationTTL), "min_cache_ttl": whole(s.MinCacheTTL), "writes_per_key": decimal(s.WritesPerKey),
		"consistency": s.Consistency, "history": s.History, "erase_within": s.EraseWithin,
		"max_keys": whole(s.MaxKeys), "max_bytes": whole(s.MaxBytes), "requests_per_second": decimal(s.RequestsPerSecond),
	}
}

func whole(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}

func decimal(n *float64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatFloat(*n, 'f', -1, 64)
}

// formOfSettings reads the settings that a browser sent in fields of these names behind a
// prefix.
func formOfSettings(get func(string) string, prefix string) settingsForm {
	f := make(settingsForm)
	for _, s := range settingsKinds() {
		f[s.name] = strings.TrimSpace(get(prefix + s.name))
	}
	return f
}

// changed are the settings of f that another form has otherwise.
func (f settingsForm) changed(from settingsForm) settingsForm {
	some := make(settingsForm)
	for name, text := range f {
		if text != from[name] {
			some[name] = text
		}
	}
	return some
}

// patch is the body that sets what is in the form, and nothing else.
func (f settingsForm) patch() (map[string]any, error) {
	body := make(map[string]any)
	for _, s := range settingsKinds() {
		text, ok := f[s.name]
		if !ok {
			continue
		}
		if text == "" {
			body[s.name] = nil
			continue
		}
		switch s.kind {
		case wholeSetting:
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return nil, godwit.Errorf(godwit.CodeInvalidRequest, "%s is a whole number.", s.name)
			}
			body[s.name] = n
		case numberSetting:
			n, err := strconv.ParseFloat(text, 64)
			if err != nil || n != n || n-n != 0 { // neither NaN nor infinite
				return nil, godwit.Errorf(godwit.CodeInvalidRequest, "%s is a number.", s.name)
			}
			body[s.name] = n
		default:
			body[s.name] = text
		}
	}
	return body, nil
}

// setNamespace changes the settings that are not as the form showed them. What others
// have set since stays: of a setting that they have changed, too, the page tells, and
// nothing is saved.
func (d *Dashboard) setNamespace(c *call) error {
	ns, err := d.namespace(c, godwit.PermissionAdmin)
	if err != nil {
		return err
	}
	page := namespacePage{
		NS: ns, Title: ns.Title, Where: "settings",
		Settings: formOfSettings(c.PostForm.Get, ""), Was: formOfSettings(c.PostForm.Get, "was."),
	}
	mine := page.Settings.changed(page.Was)
	body, err := mine.patch()
	if err != nil {
		return d.refuseNamespace(c, page, err)
	}
	if ns, err = d.cfg.Service.Catalog().NamespaceNow(c.Context(), ns.ID); err != nil {
		return d.refuseNamespace(c, page, err)
	}
	now := formOf(ns.Settings)
	theirs := now.changed(page.Was)
	if both := mine.conflicts(theirs); len(both) > 0 {
		for name, text := range theirs {
			if _, ok := mine[name]; !ok {
				page.Settings[name] = text
			}
		}
		page.NS, page.Was = ns, now
		return d.refuseNamespace(c, page, errSettingsChanged(both))
	}
	if len(body) > 0 {
		if err := d.ask(c, http.MethodPatch, "/godwit/v1/namespaces/"+ns.ID.String()+"/settings", body, nil); err != nil {
			return d.refuseNamespace(c, page, err)
		}
	}
	return c.seeOther(address("namespace", "ns", ns.ID.String(), "done", "ns-set"))
}

// conflicts says of the settings that others have changed, too, and to something else, what
// they are now.
func (f settingsForm) conflicts(theirs settingsForm) (told []string) {
	for _, s := range settingsKinds() {
		mine, ok := f[s.name]
		text, both := theirs[s.name]
		switch {
		case !ok || !both || text == mine:
		case text == "":
			told = append(told, s.name+" is not set now")
		default:
			told = append(told, s.name+" is "+text+" now")
		}
	}
	return told
}

func errSettingsChanged(told []string) error {
	return &problem{
		status: http.StatusConflict, title: "Someone else changed this",
		text: fmt.Sprintf("Nothing was saved: someone else changed in the meantime what you have changed, too: %s. Save again to put yours in its place.", strings.Join(told, ", ")),
	}
}
