package simulation

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/pause"
)

// founder makes namespaces, works in them and deletes them, through one node or
// another.
type founder struct {
	*caller
	count int
}

// founderName is the founder's host.
const founderName = "founder"

func newFounder(w *world) *founder {
	return &founder{caller: newCaller(w, clientPlan{name: founderName, home: w.plan.nodes[0].name, think: 200 * time.Millisecond})}
}

// work makes one namespace after another, until ctx ends or a promise is broken.
func (f *founder) work(ctx context.Context) error {
	defer f.close()
	for pause.For(ctx, between(f.rng, 0, 3*time.Second)) {
		if f.world.failed() {
			return errStop
		}
		if err := f.life(ctx); err != nil {
			f.world.report(f.plan.name, err)
			return errStop
		}
	}
	return nil
}

// life is a namespace's, from its making to its end.
func (f *founder) life(ctx context.Context) error {
	ns, ok, err := f.make(ctx, f.node())
	if err != nil || !ok {
		return err
	}
	f.spaces = []godwit.NamespaceID{ns}
	for range 2 + f.rng.IntN(15) {
		if !pause.For(ctx, time.Duration(f.rng.ExpFloat64()*float64(f.plan.think))) {
			return nil
		}
		m := f.node()
		switch f.rng.IntN(4) {
		case 0:
			err = f.list(ctx, m)
		case 1:
			err = f.get(ctx, m)
		default:
			err = f.put(ctx, m)
		}
		var v *violation
		if errors.As(err, &v) && v.promise == promiseAnswer && f.world.model.wentBack() {
			return nil // the namespace's making may be lost with what was written after it
		}
		if err != nil {
			return err
		}
	}
	if f.rng.IntN(4) == 0 {
		return nil // this one stays
	}
	return f.drop(ctx, ns)
}

// wentBack tells whether the centre has lost a part of the log.
func (m *model) wentBack() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.histories) > 1
}

func (f *founder) admin(method, path, body string) request {
	return request{
		method: method, path: "client/v4/accounts/" + account + "/storage/kv/namespaces" + path, body: []byte(body), kind: "application/json",
		header: map[string]string{"Authorization": "Bearer " + rootToken},
	}
}

// make makes a namespace, and tells whether that is known to have been done.
func (f *founder) make(ctx context.Context, m *machine) (ns godwit.NamespaceID, ok bool, err error) {
	f.count++
	title := "extra " + strings.Repeat("i", f.count)
	ans := f.ask(ctx, m, ns, f.admin(http.MethodPost, "", `{"title":`+quote(title)+`}`))
	f.note("make %q at %s: %v", title, m.plan.name, ans)
	if ans.err != nil || ans.status != http.StatusOK {
		return ns, false, f.refused(ans)
	}
	var reply struct{ Result struct{ ID string } }
	if err := json.Unmarshal(ans.body, &reply); err != nil {
		return ns, false, broken(promiseAnswer, "a namespace was made with the answer %v: %v", ans, err)
	}
	ns, err = godwit.ParseNamespaceID(reply.Result.ID)
	f.token = max(f.token, ans.revision())
	return ns, err == nil, err
}

// refused tells whether an administrator's request was refused in a way that none
// should be.
func (f *founder) refused(ans *answer) error {
	switch {
	case ans.err != nil, ans.status == http.StatusServiceUnavailable, ans.status == http.StatusGatewayTimeout,
		ans.status == http.StatusInsufficientStorage:
		return nil
	}
	return broken(promiseAnswer, "an administrator was answered with %v", ans)
}

// drop deletes a namespace. Who reads it from then on finds that there is none.
func (f *founder) drop(ctx context.Context, ns godwit.NamespaceID) error {
	m := f.node()
	ans := f.ask(ctx, m, ns, f.admin(http.MethodDelete, "/"+ns.String(), ""))
	f.note("delete %v at %s: %v", ns, m.plan.name, ans)
	if ans.err != nil || ans.status != http.StatusOK {
		return f.refused(ans)
	}
	m = f.node()
	q := request{method: http.MethodGet, path: "/keys", header: map[string]string{"Godwit-Min-Revision": ans.revision().String()}}
	got := f.ask(ctx, m, ns, q)
	f.note("list %v at %s, from %v: %v", ns, m.plan.name, ans.revision(), got)
	switch {
	case got.err != nil, got.status == http.StatusServiceUnavailable, got.code == codeNamespaceNotFound:
		return nil
	}
	if p, err := parsePage(got); err == nil && len(p.Result) == 0 {
		return nil // it was found before the node had the revision, and is empty at it
	}
	return broken(promiseMin, "a namespace was deleted at %d, and from then on %s answers with %v", ans.revision(), m.plan.name, got)
}

const codeNamespaceNotFound = 10013
