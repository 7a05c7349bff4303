package client_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/godwitkv/godwit/client"
)

func ExampleKV_Scan() {
	c, stop := connected()
	defer stop()
	kv := c.KV("birds")
	put(kv, "owl", "waders/avocet", "waders/curlew", "waders/godwit")
	o := client.ScanOptions{Prefix: "waders/", End: "waders/g", Reverse: true, Values: true}
	for k, err := range kv.Scan(context.Background(), o) {
		if err != nil {
			log.Panic(err)
		}
		fmt.Println(k.Name, k.Size, len(k.Value))
	}
	// Output:
	// waders/curlew 6 6
	// waders/avocet 6 6
}

func ExampleKV_ScanPage() {
	c, stop := connected()
	defer stop()
	kv := c.KV("birds")
	put(kv, "avocet", "curlew", "godwit")
	first, err := kv.ScanPage(context.Background(), client.ScanOptions{Limit: 2})
	if err != nil {
		log.Panic(err)
	}
	second, err := kv.ScanPage(context.Background(), client.ScanOptions{Limit: 2, Cursor: first.Cursor})
	if err != nil {
		log.Panic(err)
	}
	fmt.Println(len(first.Keys), second.Keys[0].Name, second.Cursor == "")
	// Output: 2 godwit true
}

func ExampleKV_Details() {
	c, stop := connected()
	defer stop()
	kv := c.KV("birds")
	o := client.PutOptions{Metadata: []byte(`{"legs":2}`)}
	if _, err := kv.Put(context.Background(), "godwit", strings.NewReader("Limosa"), o); err != nil {
		log.Panic(err)
	}
	d, err := kv.Details(context.Background(), "godwit")
	if err != nil {
		log.Panic(err)
	}
	fmt.Println(d.Size, string(d.Metadata), d.Created.Equal(d.Modified))
	// Output: 6 {"legs":2} true
}

func ExampleKV_Clear() {
	c, stop := connected()
	defer stop()
	ctx, kv := context.Background(), c.KV("birds")
	put(kv, "2025/godwit", "2025/knot", "2026/godwit")
	revision, err := kv.Clear(ctx, "2025/")
	if err != nil {
		log.Panic(err)
	}
	for key, err := range kv.List(ctx, client.ListOptions{}, client.MinRevision(revision)) {
		if err != nil {
			log.Panic(err)
		}
		fmt.Println(key.Name)
	}
	// Output: 2026/godwit
}

func ExampleKV_ClearAll() {
	c, stop := connected()
	defer stop()
	ctx, kv := context.Background(), c.KV("birds")
	put(kv, "godwit", "knot")
	if _, err := kv.ClearAll(ctx); err != nil {
		log.Panic(err)
	}
	count, err := kv.Count(ctx, client.CountOptions{})
	if err != nil {
		log.Panic(err)
	}
	fmt.Println(count.Keys)
	// Output: 0
}

func ExampleKV_Count() {
	c, stop := connected()
	defer stop()
	kv := c.KV("birds")
	put(kv, "owl", "waders/avocet", "waders/godwit")
	all, err := kv.Count(context.Background(), client.CountOptions{})
	if err != nil {
		log.Panic(err)
	}
	waders, err := kv.Count(context.Background(), client.CountOptions{Prefix: "waders/"})
	if err != nil {
		log.Panic(err)
	}
	fmt.Println(all.Keys, waders.Keys)
	// Output: 3 2
}
