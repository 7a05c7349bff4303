package olddata

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime/multipart"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Write has a program write a directory of each kind it knows, and packs them. A member
// listens at an address that is free, listen.
func Write(ctx context.Context, program, archive, listen string) (err error) {
	top, err := os.MkdirTemp("", "godwit-olddata-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(top)) }()
	dir := filepath.Join(top, "packed")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	w := &writer{
		program: program, dir: dir, scratch: filepath.Join(top, "scratch"), listen: listen,
		content: Content{Keys: make(map[string]Key), Tokens: make(map[string]bool), Versions: make(map[string]int)},
	}
	if err := w.write(ctx); err != nil {
		return err
	}
	text, err := json.MarshalIndent(w.content, "", "\t")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, contentFile), text, 0o600)
	}
	if err != nil {
		return err
	}
	return pack(dir, archive)
}

type writer struct {
	program string
	dir     string
	scratch string // for what is not packed
	listen  string // where a member listens
	content Content
	node    *node
	repos   []Directory // the repositories, once they are begun
}

// write makes the directories. The centre is restarted, so that some of what it has is in
// tables, and killed at the end; the edge copies what there is, follows, and is stopped.
// What is made of the centre's directory comes then.
func (w *writer) write(ctx context.Context) error {
	if err := w.beginCentre(ctx); err != nil {
		return err
	}
	edge, err := start(ctx, w.program, w.path("edge"), "--upstream", w.node.url, "--upstream-token", RootToken)
	if err != nil {
		return errors.Join(err, w.node.kill())
	}
	for _, step := range []func(context.Context) error{
		w.repositories, w.putLast, w.backup, w.repositories, func(ctx context.Context) error { return w.await(ctx, edge) },
	} {
		if err = step(ctx); err != nil {
			break
		}
	}
	if err = errors.Join(err, edge.stop(), w.node.kill()); err != nil {
		return err
	}
	w.content.Directories = append(w.content.Directories, Directory{Name: "centre", Kind: Centre, Kept: true}, Directory{Name: "edge", Kind: Edge})
	for _, more := range []func(context.Context) error{w.encrypted, w.stopped, w.member} {
		if err := more(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) beginCentre(ctx context.Context) (err error) {
	if w.node, err = start(ctx, w.program, w.path("centre")); err != nil {
		return err
	}
	if err := errors.Join(w.fill(ctx), w.node.stop()); err != nil {
		return err
	}
	w.node, err = start(ctx, w.program, w.path("centre"))
	return err
}

func (w *writer) path(name string) string { return filepath.Join(w.dir, name) }

// lastKey is the one that is written last.
const lastKey = "z/last"

// putLast writes it.
func (w *writer) putLast(ctx context.Context) error { return w.put(ctx, lastKey, "v", "", 0) }

// entry is one write of a key.
type entry struct {
	key, value, metadata string
	expiration           int64
}

// entries are values of each kind: beside the key, in a row, in a file; with metadata and
// expiration; replaced, to be deleted, and of the odd key.
var entries = []entry{
	{key: "small", value: "v"},
	{key: "empty"},
	{key: "row", value: strings.Repeat("a value with a row of its own. ", 400)},
	{key: "blob", value: strings.Repeat("a value in a file of its own. ", 3_000), metadata: `{"type":"text/plain"}`},
	{key: "with metadata", value: "v", metadata: `{"a":[1,null,"é"]}`},
	{key: "expires", value: "v", metadata: `"m"`, expiration: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).Unix()},
	{key: "replaced", value: "first"}, {key: "replaced", value: "second"}, {key: "replaced", value: "third"},
	{key: "sp ace/ünï-漢-🤓?x=1&y#z", value: "odd"},
	{key: "deleted/small", value: "v"}, {key: "deleted/blob", value: strings.Repeat("gone ", 16_000)},
}

// fill writes entries and many more, deletes, and makes tokens.
func (w *writer) fill(ctx context.Context) error {
	if err := w.namespace(ctx); err != nil {
		return err
	}
	for _, e := range entries {
		if err := w.put(ctx, e.key, e.value, e.metadata, e.expiration); err != nil {
			return err
		}
	}
	for i := range 300 {
		if err := w.put(ctx, fmt.Sprintf("many/%03d", i), strings.Repeat(strconv.Itoa(i), 20), "", 0); err != nil {
			return err
		}
	}
	for _, key := range []string{"deleted/small", "deleted/blob"} {
		if _, err := w.node.ask(ctx, "DELETE", valuePath(w.content.NamespaceID, key), "", nil); err != nil {
			return err
		}
		delete(w.content.Keys, key)
		w.content.Absent = append(w.content.Absent, key)
	}
	for permission, writes := range map[string]bool{"read": false, "write": true} {
		if err := w.token(ctx, permission, writes); err != nil {
			return err
		}
	}
	return nil
}

// namespace makes the namespace, with history where the program knows of it.
func (w *writer) namespace(ctx context.Context) error {
	out, err := w.node.ask(ctx, "POST", "", "application/json", []byte(`{"title":"`+Namespace+`"}`))
	var reply struct{ Result struct{ ID string } }
	if err == nil {
		err = json.Unmarshal(out, &reply)
	}
	if err != nil {
		return err
	}
	w.content.NamespaceID = reply.Result.ID
	if !w.knows(ctx, "--history", "namespace", "set") {
		return nil
	}
	w.content.Versions["replaced"] = 2
	_, err = w.node.run(ctx, "namespace", "set", Namespace, "--history", "10")
	return err
}

func (w *writer) put(ctx context.Context, key, value, metadata string, expiration int64) error {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	err := form.WriteField("value", value)
	if metadata != "" {
		err = errors.Join(err, form.WriteField("metadata", metadata))
	}
	if err = errors.Join(err, form.Close()); err != nil {
		return err
	}
	path := valuePath(w.content.NamespaceID, key)
	if expiration != 0 {
		path += "?expiration=" + strconv.FormatInt(expiration, 10)
	}
	if _, err := w.node.ask(ctx, "PUT", path, form.FormDataContentType(), body.Bytes()); err != nil {
		return err
	}
	w.content.Keys[key] = Key{SHA256: Sum([]byte(value)), Metadata: metadata, Expiration: expiration}
	return nil
}

func (w *writer) token(ctx context.Context, permission string, writes bool) error {
	out, err := w.node.run(ctx, "token", "create", "--json", "--permission", permission, "--namespaces", w.content.NamespaceID)
	if err != nil {
		return err
	}
	var made struct{ Token string }
	if err := json.Unmarshal(out, &made); err != nil || made.Token == "" {
		return fmt.Errorf("token create printed %q: %w", out, err)
	}
	w.content.Tokens[made.Token] = writes
	return nil
}

// backup makes one, if the program knows how.
func (w *writer) backup(ctx context.Context) error {
	if !w.knows(ctx, "backup", "backup") {
		return nil
	}
	if _, err := w.node.run(ctx, "backup", w.path("backup")); err != nil {
		return err
	}
	w.content.Directories = append(w.content.Directories, Directory{Name: "backup", Kind: Backup})
	return nil
}

// knows tells whether the help of a command, if there is one, has a word.
func (w *writer) knows(ctx context.Context, word string, command ...string) bool {
	out, err := w.node.run(ctx, append(command, "--help")...)
	return err == nil && bytes.Contains(out, []byte(word))
}

// await waits until an edge has all.
func (w *writer) await(ctx context.Context, edge *node) (err error) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(startTime); time.Now().Before(deadline); <-tick.C {
		if _, err = edge.ask(ctx, "GET", valuePath(w.content.NamespaceID, lastKey), "", nil); err == nil {
			return nil
		}
	}
	return err
}
