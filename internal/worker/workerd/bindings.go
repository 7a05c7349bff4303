package workerd

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/godwitkv/godwit/internal/worker/wrangler"
)

// bindings are what a Worker finds in its environment.
func (w *writer) bindings(k *Worker) list {
	all := list{}
	bind := func(name, kind string, value any) {
		all = append(all, record{{"name", name}, {kind, value}})
	}
	for _, v := range k.Vars {
		if v.JSON != nil {
			bind(v.Name, "json", string(v.JSON))
		} else {
			bind(v.Name, "text", v.Text)
		}
	}
	for i, kv := range k.KV {
		service := fmt.Sprintf("kv:%s:%d", k.Name, i)
		w.external(service, kv)
		bind(kv.Binding, "kvNamespace", service)
	}
	for _, s := range k.Services {
		bind(s.Binding, "service", w.designate(s))
	}
	for _, o := range k.Objects {
		target := record{{"className", o.Class}}
		if o.Script != "" {
			target = append(target, field{"serviceName", "worker:" + o.Script})
		}
		bind(o.Binding, "durableObjectNamespace", target)
	}
	if k.Assets != nil && k.Assets.Binding != "" {
		bind(k.Assets.Binding, "service", record{{"name", k.assets()}, {"entrypoint", "AssetWorker"}})
	}
	if k.Worker.Version != "" {
		bind(k.Worker.Version, "json", k.Version)
	}
	if k.Manifest != nil && k.Built.ServiceWorker {
		bind("__STATIC_CONTENT_MANIFEST", "text", string(k.Manifest))
	}
	return append(all, w.blobs(k)...)
}

var blobField = map[wrangler.ModuleType]string{wrangler.Text: "text", wrangler.Data: "data", wrangler.CompiledWasm: "wasmModule"}

func (w *writer) blobs(k *Worker) (all list) {
	for _, b := range k.Blobs {
		data, err := os.ReadFile(b.Path)
		if err != nil && w.err == nil {
			w.err = fmt.Errorf("%s: %s: %w", k.File, b.Binding, err)
		}
		all = append(all, record{{"name", b.Binding}, {blobField[b.Type], w.embed(data)}})
	}
	return all
}

// designate names the Worker that a binding leads to: its assets stand in front of it
// unless one of its classes is asked for.
func (w *writer) designate(s wrangler.Service) record {
	to := record{{"name", "worker:" + s.Service}}
	for i := range w.cfg.Workers {
		if k := &w.cfg.Workers[i]; k.Name == s.Service && s.Entrypoint == "" {
			to = record{{"name", k.front()}}
		}
	}
	if s.Entrypoint != "" {
		to = append(to, field{"entrypoint", s.Entrypoint})
	}
	if s.Props != nil {
		to = append(to, field{"props", record{{"json", string(s.Props)}}})
	}
	return to
}

// external is a binding port as one namespace of it is reached.
func (w *writer) external(name string, kv KV) {
	headers := record{{"injectRequestHeaders", list{
		record{{"name", "Authorization"}, {"value", "Bearer " + kv.Token}},
		record{{"name", "Godwit-Namespace"}, {"value", kv.Namespace}},
	}}}
	if !kv.TLS {
		w.add(name, field{"external", record{{"address", kv.Address}, {"http", headers}}})
		return
	}
	trust := record{{"trustBrowserCas", true}}
	if kv.CA != "" {
		trust = record{{"trustedCertificates", list{kv.CA}}}
	}
	w.add(name, field{"external", record{{"address", kv.Address}, {"https", record{
		{"options", headers}, {"tlsOptions", trust}, {"certificateHost", kv.Host},
	}}}})
}

// crons adds workerd's own Worker that runs others at their times.
func (w *writer) crons() {
	times := map[string][]string{}
	bindings := list{}
	for i := range w.cfg.Workers {
		k := &w.cfg.Workers[i]
		for _, c := range k.Crons {
			times[k.service()] = append(times[k.service()], c.Expression)
		}
		if len(k.Crons) > 0 {
			bindings = append(bindings, record{{"name", k.service()}, {"service", k.service()}})
		}
	}
	if len(times) == 0 {
		return
	}
	text, err := json.Marshal(times)
	if err != nil && w.err == nil {
		w.err = err
	}
	bindings = append(bindings,
		record{{"name", "CRONS"}, {"json", string(text)}},
		record{{"name", "SCHEDULE"}, {"durableObjectNamespace", "Schedule"}})
	w.add("cron", field{"worker", record{
		{"modules", list{record{{"name", "cron.js"}, {"bundled", "/workerd/cron.js"}}}},
		{"compatibilityDate", "2026-01-01"},
		{"compatibilityFlags", list{"service_binding_extra_handlers", "experimental"}},
		{"bindings", bindings},
		{"durableObjectNamespaces", list{record{{"className", "Schedule"}, {"uniqueKey", "godwit-cron"}, {"enableSql", true}}}},
		{"durableObjectStorage", record{{"localDisk", "objects"}}},
	}})
}
