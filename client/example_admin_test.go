package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/godwitkv/godwit/client"
)

func ExampleClient_Account() {
	c, stop := connected()
	defer stop()
	account, err := c.Account(context.Background())
	fmt.Println(len(account), err)
	// Output: 32 <nil>
}

func ExampleClient_Status() {
	c, stop := connected()
	defer stop()
	s, err := c.Status(context.Background())
	if err != nil {
		log.Panic(err)
	}
	fmt.Println(s.Role, s.StalenessMS)
	// Output: central 0
}

func ExampleClient_Tree() {
	c, stop := connected()
	defer stop()
	root, err := c.Tree(context.Background())
	if err != nil {
		log.Panic(err)
	}
	fmt.Printf("%s with %d followers\n", root.Role, len(root.Followers))
	// Output: central with 0 followers
}

func ExampleClient_CreateNamespace() {
	c, stop := connected()
	defer stop()
	ctx := context.Background()
	ns, err := c.CreateNamespace(ctx, "nests", client.NamespaceOptions{Jurisdiction: "eu"})
	if err != nil {
		log.Panic(err)
	}
	fmt.Println(ns.Title, ns.Jurisdiction)
	_, err = c.CreateNamespace(ctx, "nests", client.NamespaceOptions{})
	fmt.Println(errors.Is(err, client.ErrNamespaceExists))
	// Output:
	// nests eu
	// true
}

func ExampleClient_EnsureNamespace() {
	c, stop := connected()
	defer stop()
	ctx := context.Background()
	for range 2 {
		ns, created, err := c.EnsureNamespace(ctx, "nests", client.NamespaceOptions{})
		if err != nil {
			log.Panic(err)
		}
		fmt.Println(ns.Title, created)
	}
	// Output:
	// nests true
	// nests false
}

func ExampleKV_Analytics() {
	c, stop := connected()
	defer stop()
	kv := c.KV("birds")
	put(kv, "owl", "wader")
	a, err := kv.Analytics(context.Background())
	if err != nil {
		log.Panic(err)
	}
	fmt.Println(a.LastHour.Write.Keys, a.LastHour.Write.Failed, a.Keys)
	// Output: 2 0 2
}

func ExampleClient_Namespaces() {
	c, stop := connected()
	defer stop()
	all, err := c.Namespaces(context.Background())
	if err != nil {
		log.Panic(err)
	}
	for _, ns := range all {
		fmt.Println(ns.Title, ns.Keys)
	}
	// Output: birds 0
}

func ExampleClient_NamespaceID() {
	c, stop := connected()
	defer stop()
	id, err := c.NamespaceID(context.Background(), "birds")
	fmt.Println(len(id), err)
	// Output: 32 <nil>
}

func ExampleClient_RenameNamespace() {
	c, stop := connected()
	defer stop()
	ns, err := c.RenameNamespace(context.Background(), "birds", "waders")
	if err != nil {
		log.Panic(err)
	}
	fmt.Println(ns.Title)
	// Output: waders
}

func ExampleClient_DeleteNamespace() {
	c, stop := connected()
	defer stop()
	ctx := context.Background()
	fmt.Println(c.DeleteNamespace(ctx, "birds"))
	fmt.Println(errors.Is(c.DeleteNamespace(ctx, "birds"), client.ErrNamespaceNotFound))
	// Output:
	// <nil>
	// true
}

func ExampleClient_Settings() {
	c, stop := connected()
	defer stop()
	s, err := c.Settings(context.Background(), "birds")
	if err != nil {
		log.Panic(err)
	}
	fmt.Println(s.MinExpirationTTL == nil) // the node's own is in force
	// Output: true
}

func ExampleClient_SetSettings() {
	c, stop := connected()
	defer stop()
	s, err := c.SetSettings(context.Background(), "birds", map[string]any{
		"min_expiration_ttl": 1,
		"consistency":        "strong",
		"writes_per_key":     nil, // the node's own again
	})
	if err != nil {
		log.Panic(err)
	}
	fmt.Println(*s.MinExpirationTTL, s.Consistency)
	// Output: 1 strong
}

func ExampleClient_CreateToken() {
	url, token, stop := example()
	defer stop()
	root, err := client.New(url, token)
	if err != nil {
		log.Panic(err)
	}
	defer root.Close()
	ctx := context.Background()
	made, err := root.CreateToken(ctx, client.TokenSpec{
		Permission: "read", Namespaces: []string{"birds"}, Expires: time.Now().Add(time.Hour).Unix(),
	})
	if err != nil {
		log.Panic(err)
	}
	reader, err := client.New(url, made.Secret) // told this once
	if err != nil {
		log.Panic(err)
	}
	defer reader.Close()
	_, err = reader.KV("birds").Delete(ctx, "godwit", client.DeleteOptions{})
	fmt.Println(errors.Is(err, client.ErrForbidden))
	// Output: true
}

func ExampleClient_Tokens() {
	c, stop := connected()
	defer stop()
	ctx := context.Background()
	if _, err := c.CreateToken(ctx, client.TokenSpec{Name: "edge lhr", Permission: "replicate"}); err != nil {
		log.Panic(err)
	}
	tokens, err := c.Tokens(ctx)
	if err != nil {
		log.Panic(err)
	}
	for _, t := range tokens {
		fmt.Println(t.Name, t.Permission)
	}
	// Output: edge lhr replicate
}

func ExampleClient_RevokeToken() {
	c, stop := connected()
	defer stop()
	ctx := context.Background()
	made, err := c.CreateToken(ctx, client.TokenSpec{Permission: "read"})
	if err != nil {
		log.Panic(err)
	}
	fmt.Println(c.RevokeToken(ctx, made.ID))
	fmt.Println(errors.Is(c.RevokeToken(ctx, made.ID), client.ErrTokenNotFound))
	// Output:
	// <nil>
	// true
}

func ExampleClient_RotateRootToken() {
	c, stop := connected()
	defer stop()
	ctx := context.Background()
	if _, err := c.RotateRootToken(ctx); err != nil { // the answer is the new one
		log.Panic(err)
	}
	_, err := c.Status(ctx)
	fmt.Println(errors.Is(err, client.ErrUnauthenticated))
	// Output: true
}

func ExampleClient_StartScrub() {
	c, stop := connected()
	defer stop()
	s, err := c.StartScrub(context.Background())
	if err != nil {
		log.Panic(err)
	}
	fmt.Println(s.Unmended)
	// Output: 0
}

func ExampleClient_Cluster() {
	c, stop := connected()
	defer stop()
	_, err := c.Cluster(context.Background()) // of a node that is a member of none
	fmt.Println(errors.Is(err, client.ErrInvalid))
	// Output: true
}

func ExampleClient_RemoveMember() {
	c, stop := connected()
	defer stop()
	err := c.RemoveMember(context.Background(), "n3")
	fmt.Println(errors.Is(err, client.ErrInvalid))
	// Output: true
}

func ExampleKV_Copy() {
	c, stop := connected()
	defer stop()
	ctx := context.Background()
	if _, _, err := c.EnsureNamespace(ctx, "copies", client.NamespaceOptions{}); err != nil {
		log.Panic(err)
	}
	kv := c.KV("birds")
	put(kv, "owl", "waders/avocet", "waders/godwit")
	to := "2026/"
	sum, err := kv.Copy(ctx, "copies", client.CopyOptions{Prefix: "waders/", ToPrefix: &to})
	if err != nil {
		log.Panic(err)
	}
	fmt.Println(sum.Keys)
	// Output: 2
}

func ExampleKV_CopyKey() {
	c, stop := connected()
	defer stop()
	ctx := context.Background()
	kv := c.KV("birds")
	put(kv, "owl")
	for range 2 {
		copied, err := kv.CopyKey(ctx, "owl", "birds", "another owl", true)
		if err != nil {
			log.Panic(err)
		}
		fmt.Println(copied)
	}
	// Output:
	// true
	// false
}
