package wrangler

import (
	"slices"
	"strings"
)

// bindings reads what the Worker finds in its environment, but for Durable Objects.
func (d *decoder) bindings() {
	d.kv()
	d.services()
	d.vars()
	d.crons()
	if n := d.field("version_metadata"); n != nil {
		d.only("version_metadata", n, "binding")
		d.w.Version = d.needBinding("version_metadata", n)
	}
	for _, b := range []struct {
		key string
		typ ModuleType
	}{{"text_blobs", Text}, {"data_blobs", Data}, {"wasm_modules", CompiledWasm}} {
		for _, m := range d.table(b.key, d.field(b.key)) {
			d.takeName(m)
			d.w.Blobs = append(d.w.Blobs, Blob{m.name, d.abs(d.string(b.key, m.value)), b.typ})
		}
	}
}

// needBinding reads the name that something is bound to.
func (d *decoder) needBinding(what string, n *node) string {
	name := d.bind(what+".binding", n.get("binding"))
	if name == "" {
		d.add(n.line, `%s: "binding" is missing`, what)
	}
	return name
}

// takeName takes a member's own name as that of a binding.
func (d *decoder) takeName(m member) {
	if first, taken := d.bound[m.name]; taken {
		d.add(m.line, "the name %q is bound in line %d already", m.name, first)
	}
	d.bound[m.name] = m.line
	if m.name == "" || len(m.name) > maxNameBytes || strings.ContainsRune(m.name, 0) {
		d.add(m.line, "%.80q is no name for a binding", m.name)
	}
}

func (d *decoder) kv() {
	for _, n := range d.list("kv_namespaces", d.field("kv_namespaces")) {
		d.only("kv_namespaces", n, "binding", "id", "preview_id", "remote")
		if n.kind != tableKind {
			continue
		}
		kv := KV{Binding: d.needBinding("kv_namespaces", n), ID: d.string("kv_namespaces.id", n.get("id")), Place: d.place(n)}
		if preview := d.string("kv_namespaces.preview_id", n.get("preview_id")); kv.ID == "" {
			kv.ID = preview
		}
		if len(kv.ID) > maxNameBytes {
			d.add(n.line, "kv_namespaces: an id has at most %d bytes", maxNameBytes)
		}
		d.w.KV = append(d.w.KV, kv)
	}
}

func (d *decoder) services() {
	for _, n := range d.list("services", d.field("services")) {
		d.only("services", n, "binding", "service", "entrypoint", "environment", "props", "remote")
		if n.kind != tableKind {
			continue
		}
		s := Service{
			Binding: d.needBinding("services", n), Service: d.string("services.service", n.get("service")),
			Entrypoint: d.string("services.entrypoint", n.get("entrypoint")), Place: d.place(n),
		}
		if s.Service == "" {
			d.add(n.line, `services: "service" is missing`)
		}
		if env := d.string("services.environment", n.get("environment")); env != "" {
			s.Service += "-" + env
		}
		if props := n.get("props"); props != nil && d.expect("services.props", props, tableKind) {
			s.Props = props.appendJSON(nil)
		}
		d.w.Services = append(d.w.Services, s)
	}
}

func (d *decoder) vars() {
	for _, m := range d.table("vars", d.field("vars")) {
		d.takeName(m)
		v := Var{Name: m.name}
		if m.value.kind == stringKind {
			v.Text = d.string("vars."+m.name, m.value)
		} else {
			v.JSON = m.value.appendJSON(nil)
		}
		d.w.Vars = append(d.w.Vars, v)
	}
	if n := d.field("secrets"); n != nil {
		d.only("secrets", n, "required")
		d.w.required = d.texts("secrets.required", n.get("required"))
		d.w.secretsPlace = d.place(n)
	}
}

func (d *decoder) crons() {
	n := d.field("triggers")
	d.only("triggers", n, "crons", "events")
	if events := n.get("events"); !events.empty() {
		d.add(events.line, "triggers.events: godwit has no Artifacts")
	}
	for _, item := range d.list("triggers.crons", n.get("crons")) {
		expression := d.string("triggers.crons", item)
		if err := checkCron(expression); err != nil && item.kind == stringKind {
			d.add(item.line, "triggers.crons: %.80q: %v", expression, err)
		}
		d.w.Crons = append(d.w.Crons, Cron{expression, d.place(item)})
	}
}

// objects reads Durable Objects: who binds them, and the classes that this Worker has.
func (d *decoder) objects() {
	d.classes()
	table := d.field("durable_objects")
	d.only("durable_objects", table, "bindings", "code_update_strategy")
	for _, n := range d.list("durable_objects.bindings", table.get("bindings")) {
		d.only("durable_objects.bindings", n, "name", "class_name", "script_name", "environment")
		if n.kind != tableKind {
			continue
		}
		o := Object{
			Binding: d.bind("durable_objects.bindings.name", n.get("name")),
			Class:   d.string("durable_objects.bindings.class_name", n.get("class_name")),
			Script:  d.string("durable_objects.bindings.script_name", n.get("script_name")),
			Place:   d.place(n),
		}
		if o.Binding == "" || o.Class == "" {
			d.add(n.line, `durable_objects.bindings: "name" and "class_name" are needed`)
		}
		if env := d.string("durable_objects.bindings.environment", n.get("environment")); env != "" && o.Script != "" {
			o.Script += "-" + env
		}
		if o.Script == d.w.Name {
			o.Script = ""
		}
		if o.Script == "" {
			d.addClass(o.Class, false)
		}
		d.w.Objects = append(d.w.Objects, o)
	}
}

// classes goes through the migrations in order, and through "exports".
func (d *decoder) classes() {
	for _, n := range d.list("migrations", d.field("migrations")) {
		d.only("migrations", n, "tag", "new_classes", "new_sqlite_classes", "renamed_classes", "transferred_classes", "deleted_classes")
		for _, name := range d.texts("migrations.new_classes", n.get("new_classes")) {
			d.addClass(name, false)
		}
		for _, name := range d.texts("migrations.new_sqlite_classes", n.get("new_sqlite_classes")) {
			d.addClass(name, true)
		}
		for i, name := range d.texts("migrations.deleted_classes", n.get("deleted_classes")) {
			d.removeClass(name, n.get("deleted_classes").items[i])
		}
		if moved := n.get("transferred_classes"); !moved.empty() {
			d.add(moved.line, "migrations.transferred_classes: godwit does not move Durable Objects between Workers")
		}
		if renamed := n.get("renamed_classes"); !renamed.empty() {
			d.add(renamed.line, "migrations.renamed_classes: godwit does not rename classes of Durable Objects: name the class under new_classes or new_sqlite_classes and it begins empty")
		}
	}
	for _, m := range d.table("exports", d.field("exports")) {
		d.export(m)
	}
}

func (d *decoder) export(m member) {
	switch typ := d.string("exports.type", m.value.get("type")); typ {
	case "durable-object":
		switch state := d.string("exports.state", m.value.get("state")); state {
		case "", "created":
			d.addClass(m.name, d.string("exports.storage", m.value.get("storage")) == "sqlite")
		case "deleted":
			d.removeClass(m.name, m.value)
		default:
			d.add(m.line, "exports.%s: godwit does not rename or move Durable Objects", m.name)
		}
	case "worker":
	default:
		d.add(m.line, "exports.%s: godwit has no exports of type %q", m.name, typ)
	}
}

func (d *decoder) addClass(name string, sql bool) {
	d.w.Deleted = slices.DeleteFunc(d.w.Deleted, func(c Deleted) bool { return c.Name == name })
	for _, c := range d.w.Classes {
		if c.Name == name {
			return
		}
	}
	if name != "" {
		d.w.Classes = append(d.w.Classes, Class{name, sql})
	}
}

func (d *decoder) removeClass(name string, at *node) {
	d.w.Classes = slices.DeleteFunc(d.w.Classes, func(c Class) bool { return c.Name == name })
	if name != "" {
		d.w.Deleted = append(d.w.Deleted, Deleted{name, d.place(at)})
	}
}
