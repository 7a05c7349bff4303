package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/node"
)

// example runs a server with a namespace "birds" and returns its address and its
// root token.
func example() (url, token string, stop func()) {
	dir, err := os.MkdirTemp("", "godwit-example-")
	if err != nil {
		log.Panic(err)
	}
	n, err := node.Open(context.Background(), node.Config{
		Dir: dir, Listen: "127.0.0.1:0", BindingListen: "127.0.0.1:0", Jurisdictions: []string{"eu"},
	})
	if err != nil {
		log.Panic(err)
	}
	c, err := client.New(n.APIURL(), n.NewRootToken())
	if err != nil {
		log.Panic(err)
	}
	defer c.Close()
	if _, err := c.CreateNamespace(context.Background(), "birds", client.NamespaceOptions{}); err != nil {
		log.Panic(err)
	}
	return n.APIURL(), n.NewRootToken(), func() {
		if err := errors.Join(n.Close(), os.RemoveAll(dir)); err != nil {
			log.Print(err)
		}
	}
}

// connected is a client of an example's server.
func connected() (c *client.Client, stop func()) {
	url, token, stopServer := example()
	c, err := client.New(url, token)
	if err != nil {
		log.Panic(err)
	}
	return c, func() {
		c.Close()
		stopServer()
	}
}

func Example() {
	url, token, stop := example()
	defer stop()

	c, err := client.New(url, token)
	if err != nil {
		log.Panic(err)
	}
	defer c.Close()
	ctx := context.Background()
	kv := c.KV("birds")
	if _, err := kv.Put(ctx, "godwit", strings.NewReader("Limosa"), client.PutOptions{}); err != nil {
		log.Panic(err)
	}
	v, err := kv.Get(ctx, "godwit")
	if err != nil {
		log.Panic(err)
	}
	defer v.Close()
	text, err := io.ReadAll(v)
	if err != nil {
		log.Panic(err)
	}
	fmt.Printf("%s\n", text)
	// Output: Limosa
}

func ExampleNew() {
	c, err := client.New("http://127.0.0.1:8787", "the token", client.WithAttempts(2), client.WithBackoff(time.Second))
	if err != nil {
		log.Panic(err)
	}
	defer c.Close()
	_, err = client.New("127.0.0.1:8787", "the token")
	fmt.Println(err)
	// Output: server url "127.0.0.1:8787" is not of the form http://host:port
}

func ExampleClient_Close() {
	c, err := client.New("http://127.0.0.1:8787", "the token")
	if err != nil {
		log.Panic(err)
	}
	defer c.Close()
	// Output:
}

func ExampleClient_KV() {
	c, stop := connected()
	defer stop()
	_, err := c.KV("no such title").Get(context.Background(), "key")
	fmt.Println(errors.Is(err, client.ErrNamespaceNotFound))
	// Output: true
}

func ExampleKV_Put() {
	c, stop := connected()
	defer stop()
	ctx, kv := context.Background(), c.KV("birds")

	// A put replaces value, metadata and expiration together.
	first, err := kv.Put(ctx, "godwit", strings.NewReader("Limosa"), client.PutOptions{
		Metadata:      json.RawMessage(`{"legs":2}`),
		ExpirationTTL: time.Hour,
	})
	if err != nil {
		log.Panic(err)
	}
	// This one happens only if nobody has written since.
	_, err = kv.Put(ctx, "godwit", strings.NewReader("Limosa lapponica"), client.PutOptions{IfMatch: first})
	fmt.Println("with the revision:", err)
	_, err = kv.Put(ctx, "godwit", strings.NewReader("Limosa limosa"), client.PutOptions{IfMatch: first})
	fmt.Println("again:", errors.Is(err, client.ErrPrecondition))
	// Output:
	// with the revision: <nil>
	// again: true
}

func ExampleKV_Get() {
	c, stop := connected()
	defer stop()
	ctx, kv := context.Background(), c.KV("birds")
	revision, err := kv.Put(ctx, "godwit", strings.NewReader("Limosa"), client.PutOptions{})
	if err != nil {
		log.Panic(err)
	}
	// At any node: not before it shows the write above.
	v, err := kv.Get(ctx, "godwit", client.MinRevision(revision))
	if err != nil {
		log.Panic(err)
	}
	defer v.Close()
	if _, err := io.Copy(os.Stdout, v); err != nil {
		log.Panic(err)
	}
	_, err = kv.Get(ctx, "dodo", client.Strong())
	fmt.Println("", errors.Is(err, client.ErrKeyNotFound))
	// Output: Limosa true
}

func ExampleKV_GetWithMetadata() {
	c, stop := connected()
	defer stop()
	ctx, kv := context.Background(), c.KV("birds")
	_, err := kv.Put(ctx, "godwit", strings.NewReader("Limosa"), client.PutOptions{Metadata: json.RawMessage(`{"legs":2}`)})
	if err != nil {
		log.Panic(err)
	}
	v, err := kv.GetWithMetadata(ctx, "godwit")
	if err != nil {
		log.Panic(err)
	}
	defer v.Close()
	fmt.Printf("%d bytes, %s\n", v.Size, v.Metadata)
	// Output: 6 bytes, {"legs":2}
}

func ExampleKV_Delete() {
	c, stop := connected()
	defer stop()
	ctx, kv := context.Background(), c.KV("birds")
	if _, err := kv.Delete(ctx, "dodo", client.DeleteOptions{}); err != nil {
		log.Panic(err) // that there is none is no error
	}
	_, err := kv.Delete(ctx, "dodo", client.DeleteOptions{IfMatch: "*"})
	fmt.Println(errors.Is(err, client.ErrPrecondition))
	// Output: true
}

func ExampleKV_Transact() {
	c, stop := connected()
	defer stop()
	ctx, kv := context.Background(), c.KV("birds")
	move := client.Transaction{
		Conditions: []client.Condition{{Key: "tasmania/godwit", Revision: client.Absent}},
		Puts:       []client.Pair{{Key: "tasmania/godwit", Value: []byte("Limosa")}},
		Deletes:    []string{"alaska/godwit"},
	}
	done, err := kv.Transact(ctx, move)
	if err != nil {
		log.Panic(err)
	}
	// Again, it is there already. The error tells what stands in the way.
	_, err = kv.Transact(ctx, move)
	var e *client.Error
	if errors.As(err, &e) {
		fmt.Println(errors.Is(err, client.ErrPrecondition), e.Conditions[0].Key, e.Conditions[0].Revision == done.Revision)
	}
	// Output: true tasmania/godwit true
}

func ExampleKV_Add() {
	c, stop := connected()
	defer stop()
	ctx, kv := context.Background(), c.KV("birds")
	// So many requests a minute: the first of them starts the minute.
	for range 3 {
		n, _, err := kv.Add(ctx, client.Sum{Key: "requests/203.0.113.7", Delta: 1, ExpirationTTL: time.Minute})
		if err != nil {
			log.Panic(err)
		}
		fmt.Println(n, n > 2)
	}
	// Output:
	// 1 false
	// 2 false
	// 3 true
}

// put writes keys for an example.
func put(kv *client.KV, keys ...string) {
	var pairs []client.Pair
	for _, key := range keys {
		pairs = append(pairs, client.Pair{Key: key, Value: []byte("a bird")})
	}
	if _, err := kv.BulkPut(context.Background(), pairs); err != nil {
		log.Panic(err)
	}
}

func ExampleKV_List() {
	c, stop := connected()
	defer stop()
	kv := c.KV("birds")
	put(kv, "owl", "waders/godwit", "waders/avocet")
	for key, err := range kv.List(context.Background(), client.ListOptions{Prefix: "waders/"}) {
		if err != nil {
			log.Panic(err)
		}
		fmt.Println(key.Name)
	}
	// Output:
	// waders/avocet
	// waders/godwit
}

func ExampleKV_ListPage() {
	c, stop := connected()
	defer stop()
	kv := c.KV("birds")
	for i := range 25 {
		put(kv, fmt.Sprintf("bird %02d", i))
	}
	var o client.ListOptions
	for o.Limit = 10; ; {
		page, err := kv.ListPage(context.Background(), o)
		if err != nil {
			log.Panic(err)
		}
		fmt.Println(len(page.Keys), "from", page.Keys[0].Name)
		if o.Cursor = page.Cursor; o.Cursor == "" {
			break
		}
	}
	// Output:
	// 10 from bird 00
	// 10 from bird 10
	// 5 from bird 20
}

func ExampleKV_BulkPut() {
	c, stop := connected()
	defer stop()
	n, err := c.KV("birds").BulkPut(context.Background(), []client.Pair{
		{Key: "godwit", Value: []byte("Limosa"), Metadata: json.RawMessage(`{"legs":2}`)},
		{Key: "avocet", Value: []byte("Recurvirostra"), ExpirationTTL: 24 * time.Hour},
	})
	fmt.Println(n, err)
	// Output: 2 <nil>
}

func ExampleKV_BulkGet() {
	c, stop := connected()
	defer stop()
	kv := c.KV("birds")
	put(kv, "avocet", "godwit")
	items, err := kv.BulkGet(context.Background(), []string{"avocet", "dodo", "godwit"})
	if err != nil {
		log.Panic(err)
	}
	_, found := items["dodo"]
	fmt.Printf("%s, %v\n", items["godwit"].Value, found)
	// Output: a bird, false
}

func ExampleKV_BulkDelete() {
	c, stop := connected()
	defer stop()
	kv := c.KV("birds")
	put(kv, "avocet", "godwit")
	n, err := kv.BulkDelete(context.Background(), []string{"avocet", "dodo", "godwit"})
	fmt.Println(n, err)
	// Output: 3 <nil>
}

func ExampleKV_Watch() {
	c, stop := connected()
	defer stop()
	ctx, kv := context.Background(), c.KV("birds")
	for e, err := range kv.Watch(ctx, client.WatchOptions{Prefix: "waders/", Values: true}) {
		switch {
		case errors.Is(err, client.ErrReset):
			log.Panic("list all keys, and watch on after ", e.ID)
		case err != nil:
			log.Panic(err)
		case e.Kind == client.EventReady: // list now: nothing that comes later is missed
			put(kv, "owl", "waders/godwit")
		case e.Kind == client.EventPut:
			fmt.Printf("%s is %s\n", e.Key, e.Value)
			return
		}
	}
	// Output: waders/godwit is a bird
}
