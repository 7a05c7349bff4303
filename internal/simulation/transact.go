package simulation

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
)

// transact writes several keys together, in one transaction, as a node passes
// them on to another.
func (c *caller) transact(ctx context.Context, m *machine) error {
	keys, tag := c.pairs(), c.tag()
	text := value(tag, 10+c.rng.IntN(300))
	a := c.intend(tag, text, keys...)
	tx := godwit.Transaction{RequestKey: c.requestKey()}
	for _, k := range keys {
		tx.Mutations = append(tx.Mutations, godwit.Mutation{
			Op: godwit.OpPut, Namespace: k.ns, Key: k.key,
			Value: godwit.Value{Inline: []byte(text)}, Metadata: []byte(quote(tag)),
		})
	}
	return c.commit(ctx, m, a, tx)
}

// commit sends a transaction until its outcome is known, at one node after another.
func (c *caller) commit(ctx context.Context, m *machine, a *attempt, tx godwit.Transaction) error {
	for attempt := 1; ; attempt++ {
		ans, err := c.propose(ctx, m, tx)
		if err == nil && ans.err == nil {
			if v := c.world.model.sums(a, ans.sums); v != nil {
				return v
			}
		}
		c.note("transaction %s at %s: %v", a, m.plan.name, ans)
		if err != nil {
			return err
		}
		again, err := c.settle(m, a, ans)
		if err != nil || !again || attempt == retries || c.rng.IntN(2) == 0 || ctx.Err() != nil {
			return err
		}
		m = c.node()
	}
}

func (c *caller) requestKey() (k godwit.RequestKey) {
	for i := range k {
		k[i] = byte(c.rng.Uint32())
	}
	return k
}

// propose sends a transaction to a node, and puts what comes back as an answer
// to a write.
func (c *caller) propose(ctx context.Context, m *machine, tx godwit.Transaction) (*answer, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	client, err := c.feed(m)
	if err != nil {
		return nil, err
	}
	ans := &answer{from: time.Now(), status: http.StatusOK, header: make(http.Header)}
	results, err := client.Propose(ctx, c.world.write, []godwit.Transaction{tx}, func(godwit.Blob) (io.ReadCloser, error) {
		return nil, errors.New("the transaction names no blob")
	})
	ans.to = time.Now()
	switch code := godwit.CodeOf(err); {
	case err == nil && (len(results) != 1 || results[0].Outcome != godwit.Applied):
		return ans, broken(promiseAnswer, "a transaction at %s has the results %+v", m.plan.name, results)
	case err == nil:
		ans.header.Set("Godwit-Revision", results[0].Revision.String())
		ans.sums = results[0].Sums
	case code == godwit.CodeOutcomeUnknown:
		ans.err, ans.sent = err, true
	case code == godwit.CodeUnavailable, code == godwit.CodeDiskFull:
		ans.err = err
	default:
		return ans, broken(promiseAnswer, "a transaction at %s: %v", m.plan.name, err)
	}
	return ans, nil
}

// feed returns a client of a node's feed, which is kept.
func (c *caller) feed(m *machine) (*feed.Client, error) {
	if f := c.feeds[m]; f != nil {
		return f, nil
	}
	f, err := feed.NewClient(feed.ClientConfig{URL: m.url(), Token: c.world.write, Dial: c.port.dial, Agent: c.plan.name})
	if err == nil {
		c.feeds[m] = f
	}
	return f, err
}
