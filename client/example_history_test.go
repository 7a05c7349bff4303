package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"
	"time"

	"github.com/godwitkv/godwit/client"
)

// remembered is a namespace that keeps ten earlier versions of each key, in which a key
// was put twice and deleted; first is the revision of the first put.
func remembered() (kv *client.KV, first string, stop func()) {
	c, stop := connected()
	ctx := context.Background()
	if _, err := c.SetSettings(ctx, "birds", map[string]any{"history": "10"}); err != nil {
		log.Panic(err)
	}
	kv = c.KV("birds")
	for _, value := range []string{"limosa", "numenius"} {
		written, err := kv.Put(ctx, "wader", strings.NewReader(value), client.PutOptions{})
		if err != nil {
			log.Panic(err)
		}
		if first == "" {
			first = written
		}
	}
	if _, err := kv.Delete(ctx, "wader", client.DeleteOptions{}); err != nil {
		log.Panic(err)
	}
	return kv, first, stop
}

func show(v *client.Value, err error) {
	if err != nil {
		log.Panic(err)
	}
	b, err := io.ReadAll(v)
	fmt.Println(string(b), err, v.Close())
}

func ExampleKV_Versions() {
	kv, _, stop := remembered()
	defer stop()
	for v, err := range kv.Versions(context.Background(), "wader") {
		if err != nil {
			log.Panic(err)
		}
		fmt.Println(v.State, v.Size)
	}
	// Output:
	// deleted 8
	// replaced 6
}

func ExampleKV_VersionsPage() {
	kv, first, stop := remembered()
	defer stop()
	page, err := kv.VersionsPage(context.Background(), "wader", "", 1)
	if err != nil {
		log.Panic(err)
	}
	fmt.Println(len(page.Versions), page.Cursor != "")
	page, err = kv.VersionsPage(context.Background(), "wader", page.Cursor, 1)
	if err != nil {
		log.Panic(err)
	}
	fmt.Println(page.Versions[0].Revision == first, page.Cursor == "")
	// Output:
	// 1 true
	// true true
}

func ExampleKV_GetAt() {
	kv, first, stop := remembered()
	defer stop()
	show(kv.GetAt(context.Background(), "wader", client.AtRevision(first)))
	for _, ago := range []client.At{client.ParseAt("1700000000"), client.AtTime(time.Unix(1_700_000_000, 0))} {
		_, err := kv.GetAt(context.Background(), "wader", ago)
		fmt.Println(errors.Is(err, client.ErrHistoryGone))
	}
	// Output:
	// limosa <nil> <nil>
	// true
	// true
}

func ExampleKV_GetVersion() {
	kv, first, stop := remembered()
	defer stop()
	show(kv.GetVersion(context.Background(), "wader", first))
	// Output: limosa <nil> <nil>
}

func ExampleKV_Undelete() {
	kv, _, stop := remembered()
	defer stop()
	ctx := context.Background()
	u, err := kv.Undelete(ctx, "wader")
	if err != nil {
		log.Panic(err)
	}
	fmt.Println(u.Version.State, u.Revision != "")
	show(kv.Get(ctx, "wader"))
	_, err = kv.Undelete(ctx, "wader")
	fmt.Println(errors.Is(err, client.ErrPrecondition))
	// Output:
	// deleted true
	// numenius <nil> <nil>
	// true
}

func ExampleKV_Restore() {
	kv, first, stop := remembered()
	defer stop()
	for k, err := range kv.Restore(context.Background(), client.RestoreOptions{At: client.AtRevision(first), All: true}) {
		if err != nil {
			log.Panic(err)
		}
		fmt.Println(k.Name, k.Outcome)
	}
	show(kv.Get(context.Background(), "wader"))
	// Output:
	// wader put
	// limosa <nil> <nil>
}

func ExampleKV_RestorePage() {
	kv, first, stop := remembered()
	defer stop()
	page, err := kv.RestorePage(context.Background(), client.RestoreOptions{At: client.AtRevision(first), Prefix: "w", DryRun: true})
	if err != nil {
		log.Panic(err)
	}
	fmt.Println(page.Keys[0].Outcome, page.Keys[0].From == first, page.Keys[0].Revision == "")
	// Output: put true true
}
