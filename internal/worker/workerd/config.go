package workerd

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/godwitkv/godwit/internal/worker/bundle"
	"github.com/godwitkv/godwit/internal/worker/wrangler"
)

// Config is what one workerd runs.
type Config struct {
	Dir         string   // takes the configuration and the modules, for their owner alone
	Socket      string   // the path of the socket that it is to listen on
	Workers     []Worker // requests go to the first
	Objects     string   // the directory of Durable Objects
	Cache       string   // the socket of the cache
	DefaultDate string   // the compatibility date of those that say none
	PublicOnly  bool     // the Workers reach no private addresses
	Crons       bool     // this one runs the cron triggers
}

// Worker is one Worker as it was built, with what it is connected to.
type Worker struct {
	*wrangler.Worker
	Built    *bundle.Result
	KV       []KV
	Manifest []byte   // of a Workers Site; nil: it is none
	Version  string   // JSON that tells of the version
	Withheld []string // paths in the assets directory of which nothing is served
}

// KV is where a binding leads.
type KV struct {
	Binding   string
	Address   string // host:port of a binding port
	TLS       bool
	CA        string // PEM of those who may have signed its certificate; "": browsers' own
	Host      string // the name in the certificate
	Token     string
	Namespace string // id
}

// The header by which the front tells workerd of request.cf, and of the scheme. What a
// client sends under these names never comes so far.
const (
	CFHeader    = "Godwit-Cf"
	ProtoHeader = "X-Forwarded-Proto"
)

// writer makes a configuration.
type writer struct {
	cfg      *Config
	services list
	files    int
	err      error
}

// Write writes the configuration and the modules into Dir, and returns the path of the
// first.
func (c *Config) Write() (string, error) {
	w := &writer{cfg: c}
	for i := range c.Workers {
		w.worker(&c.Workers[i])
	}
	w.shared()
	config := record{
		{"services", w.services},
		{"sockets", list{record{
			{"name", "http"}, {"address", "unix:" + c.Socket},
			{"http", record{{"forwardedProtoHeader", ProtoHeader}, {"cfBlobHeader", CFHeader}}},
			{"service", c.Workers[0].front()},
		}}},
		{"structuredLogging", true},
	}
	path := filepath.Join(c.Dir, "config.capnp")
	if w.err == nil {
		w.err = os.WriteFile(path, encode(config), 0o600)
	}
	if w.err != nil {
		return "", fmt.Errorf("write workerd's configuration: %w", w.err)
	}
	return path, nil
}

func (w *Worker) service() string { return "worker:" + w.Name }
func (w *Worker) assets() string  { return "assets:" + w.Name }

// front is the service that takes the Worker's requests.
func (w *Worker) front() string {
	if w.Assets != nil {
		return w.assets()
	}
	return w.service()
}

func (w *writer) add(name string, body ...field) {
	w.services = append(w.services, append(record{{"name", name}}, body...))
}

// shared adds what all Workers share.
func (w *writer) shared() {
	allow := list{"public"}
	if !w.cfg.PublicOnly {
		allow = append(allow, "private")
	}
	w.add("internet", field{"network", record{{"allow", allow}, {"tlsOptions", record{{"trustBrowserCas", true}}}}})
	w.add("cache", field{"external", record{{"address", "unix:" + w.cfg.Cache}, {"http", record{{"forwardedProtoHeader", ProtoHeader}}}}})
	w.add("objects", field{"disk", record{{"path", w.cfg.Objects}, {"writable", true}, {"allowDotfiles", true}}})
	if w.cfg.Crons {
		w.crons()
	}
}

// embed writes data into a file of its own.
func (w *writer) embed(data []byte) embed {
	w.files++
	name := "m" + strconv.Itoa(w.files)
	if w.err == nil {
		w.err = os.WriteFile(filepath.Join(w.cfg.Dir, name), data, 0o600)
	}
	return embed(name)
}

func (w *writer) worker(k *Worker) {
	if k.Assets != nil {
		w.assetsOf(k)
	}
	if k.Main == "" {
		return
	}
	body := record{w.modules(k), {"compatibilityDate", w.date(k)}, {"compatibilityFlags", texts(k.CompatibilityFlags)}}
	body = append(body, field{"bindings", w.bindings(k)}, field{"cacheApiOutbound", "cache"})
	if len(k.Classes) > 0 {
		var classes list
		for _, c := range k.Classes {
			classes = append(classes, record{{"className", c.Name}, {"uniqueKey", UniqueKey(k.Name, c.Name)}, {"enableSql", c.SQL}})
		}
		body = append(body, field{"durableObjectNamespaces", classes}, field{"durableObjectStorage", record{{"localDisk", "objects"}}})
	}
	w.add(k.service(), field{"worker", body})
}

// UniqueKey names the directory, among those of Durable Objects, of a Worker's class.
func UniqueKey(worker, class string) string { return worker + "-" + class }

// date is that of a Worker, or the newest that workerd knows where it says none or a later.
func (w *writer) date(k *Worker) string {
	if k.CompatibilityDate == "" || k.CompatibilityDate > w.cfg.DefaultDate {
		return w.cfg.DefaultDate
	}
	return k.CompatibilityDate
}

func texts(all []string) list {
	l := list{}
	for _, s := range all {
		l = append(l, s)
	}
	return l
}

var moduleField = map[wrangler.ModuleType]string{
	wrangler.ESModule: "esModule", wrangler.CommonJS: "commonJsModule", wrangler.Text: "text",
	wrangler.Data: "data", wrangler.CompiledWasm: "wasm",
}

func (w *writer) modules(k *Worker) field {
	if k.Built.ServiceWorker {
		return field{"serviceWorkerScript", w.embed(k.Built.Modules[0].Data)}
	}
	var all list
	for _, m := range k.Built.Modules {
		all = append(all, record{{"name", m.Name}, {moduleField[m.Type], w.embed(m.Data)}})
	}
	if k.Manifest != nil {
		all = append(all, record{{"name", "__STATIC_CONTENT_MANIFEST"}, {"text", string(k.Manifest)}})
	}
	return field{"modules", all}
}

func (w *writer) assetsOf(k *Worker) {
	a := k.Assets
	config := map[string]any{}
	for name, text := range map[string]string{
		"html_handling": a.HTMLHandling, "not_found_handling": a.NotFound, "base_path": a.BasePath,
		"headers": w.assetFile(a, "_headers"), "redirects": w.assetFile(a, "_redirects"),
		"ignore": ignored(w.assetFile(a, ignoreFile), k.Withheld),
	} {
		if text != "" {
			config[name] = text
		}
	}
	if a.RunWorkerFirst != nil {
		config["run_worker_first"] = a.RunWorkerFirst
	}
	text, err := json.Marshal(config)
	if err != nil && w.err == nil {
		w.err = err
	}
	body := record{{"path", a.Directory}, {"config", string(text)}}
	if k.Main == "" {
		body = append(body, field{"compatibilityDate", w.date(k)}, field{"compatibilityFlags", texts(k.CompatibilityFlags)})
	} else {
		body = append(body, field{"userWorker", k.service()})
	}
	w.add(k.assets(), field{"assets", body})
}
