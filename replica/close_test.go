package replica_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/replica"
)

// TestCloseWhileRead closes a replica that is read: reads are answered, or told that it is
// closed, as those after it are.
func TestCloseWhileRead(t *testing.T) {
	c := openCentre(t)
	for i := range 200 {
		c.put(t, fmt.Sprint("key", i), []byte(strings.Repeat("v", 3000)))
	}
	for range 10 {
		r, birds := c.open(t, replica.Config{})
		reads := []func(i int) error{
			func(i int) error { _, err := birds.Value(t.Context(), fmt.Sprint("key", i%200)); return err },
			func(i int) error {
				_, err := birds.Get(t.Context(), fmt.Sprint("absent", i))
				if godwit.CodeOf(err) == godwit.CodeKeyNotFound {
					return nil
				}
				return err
			},
			func(int) error {
				for _, err := range birds.List(t.Context(), "") {
					if err != nil {
						return err
					}
				}
				return nil
			},
			func(int) error { _, err := r.Namespace(t.Context(), "birds"); return err },
		}
		var readers sync.WaitGroup
		var begun sync.WaitGroup
		for _, read := range reads {
			begun.Add(1)
			readers.Go(func() {
				for i := 0; ; i++ {
					err := read(i)
					if i == 0 {
						begun.Done()
					}
					if err != nil {
						if godwit.CodeOf(err) != godwit.CodeUnavailable {
							t.Errorf("a read beside Close: %v", err)
						}
						return
					}
				}
			})
		}
		begun.Wait()
		check(t, r.Close())
		readers.Wait()
	}
}

// TestPutChecks: a replica holds its writes to what the namespace's settings allow.
func TestPutChecks(t *testing.T) {
	c := openCentre(t)
	_, birds := c.open(t, replica.Config{WriteToken: rootToken})
	put := func(o replica.PutOptions) error {
		_, err := birds.Put(t.Context(), "key", strings.NewReader("v"), o)
		return err
	}
	for _, at := range []time.Time{time.Unix(0, 0), time.Now().Add(-time.Hour), time.Now().Add(2 * time.Second)} {
		if err := put(replica.PutOptions{Expiration: at}); godwit.CodeOf(err) != godwit.CodeInvalidExpiration {
			t.Errorf("an expiration at %v: %v", at, err)
		}
	}
	check(t, put(replica.PutOptions{Expiration: time.Now().Add(2 * time.Minute), Metadata: []byte(" null ")}))
	if e, err := birds.Get(t.Context(), "key"); err != nil || e.Metadata != nil || e.Expiration == 0 {
		t.Errorf("metadata %q, expiration %d, %v", e.Metadata, e.Expiration, err)
	}
}
