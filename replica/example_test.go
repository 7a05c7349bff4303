package replica_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/replica"
)

func Example() {
	if err := chooseCheckout(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func chooseCheckout(ctx context.Context) error {
	r, err := replica.Open(ctx, replica.Config{
		Upstreams: []string{"https://godwit.example.com"},
		Token:     os.Getenv("GODWIT_TOKEN"), // permission replicate
		Dir:       "/var/lib/app/replica",
	})
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.Ready(ctx); err != nil {
		return err
	}
	flags, err := r.Namespace(ctx, "flags")
	if err != nil {
		return err
	}
	e, err := flags.Get(ctx, "new-checkout")
	switch {
	case errors.Is(err, godwit.ErrKeyNotFound):
		fmt.Println("the old checkout")
		return nil
	case err != nil:
		return err
	}
	fmt.Printf("the checkout of %s\n", e.Value.Inline)
	return nil
}
