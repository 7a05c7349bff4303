package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// CloudflareTarget writes into a namespace at Cloudflare, by bulk.
type CloudflareTarget struct {
	*Cloudflare
	Progress *Progress // of the Run
	Now      func() int64
}

var _ Target = (*CloudflareTarget)(nil)

// Write implements [Target]. Of a key that is there twice the last is sent: what the API
// makes of both is not documented.
func (t *CloudflareTarget) Write(ctx context.Context, items []Item) error {
	last := make(map[string]int, len(items))
	for i := range items {
		last[items[i].Key] = i
	}
	b := bulkBody{}
	for i := range items {
		it := items[i]
		if last[it.Key] != i {
			continue
		}
		if sent, err := t.add(ctx, &b, &it); err != nil {
			return err
		} else if !sent {
			t.Progress.Keys.Add(-1) // Run counts it all the same
		}
	}
	return t.flush(ctx, &b)
}

// add adds an item to the body, and sends that before if it is full. It tells whether
// the item is one that can be sent.
func (t *CloudflareTarget) add(ctx context.Context, b *bulkBody, it *Item) (bool, error) {
	if it.Open != nil {
		found, err := hold(ctx, it, DefaultMaxValue)
		if err != nil || !found {
			return false, err
		}
		t.Progress.Bytes.Add(int64(len(it.Value)))
	}
	if err := it.check(DefaultMaxValue); err != nil {
		return false, it.fault(err)
	}
	if it.TTL == 0 && it.Expiration != 0 && it.Expiration <= t.Now()+cloudflareSoon {
		t.Progress.Expired.Add(1)
		return false, nil
	}
	line := appendLine(nil, it)
	if b.n > 0 && (b.n == bulkItems || len(b.text)+len(line) > bulkBytes) {
		if err := t.flush(ctx, b); err != nil {
			return false, err
		}
	}
	b.add(line)
	return true, nil
}

// hold reads a value that comes as a stream. It is false if that is gone.
func hold(ctx context.Context, it *Item, most int64) (bool, error) {
	v, err := it.Open(ctx)
	if err != nil || v == nil {
		return false, err
	}
	defer func() { _ = v.Close() }()
	it.Open, it.Metadata, it.Expiration = nil, v.Metadata, v.Expiration
	if it.Value, err = io.ReadAll(io.LimitReader(v, most+1)); err != nil {
		return false, it.fault(fmt.Errorf("read value: %w", err))
	}
	if int64(len(it.Value)) > most {
		return false, it.fault(fmt.Errorf("the value has over %d bytes, which is the limit", most))
	}
	return true, nil
}

// bulkBody is the body of a bulk write.
type bulkBody struct {
	text []byte
	n    int // items
}

func (b *bulkBody) add(line []byte) {
	b.text = append(b.text, "[,"[min(b.n, 1)])
	b.text = append(b.text, line[:len(line)-1]...)
	b.n++
}

// flush sends the body.
func (t *CloudflareTarget) flush(ctx context.Context, b *bulkBody) error {
	if b.n == 0 {
		return nil
	}
	var result *struct {
		Unsuccessful []string `json:"unsuccessful_keys"`
	}
	b.text = append(b.text, ']')
	for attempt := 1; ; attempt++ {
		if _, err := t.ask(ctx, http.MethodPut, "/bulk", b.text, &result); err != nil {
			return fmt.Errorf("write %d keys: %w", b.n, err)
		}
		if result == nil || len(result.Unsuccessful) == 0 {
			break
		}
		if attempt == attempts {
			return fmt.Errorf("write %d keys: %w", b.n, errUnsuccessful(result.Unsuccessful))
		}
	}
	b.text, b.n = b.text[:0], 0
	return nil
}

func errUnsuccessful(keys []string) error {
	text := fmt.Sprintf("Cloudflare did not take %d of them, %q", len(keys), clip(keys[0]))
	if len(keys) > 1 {
		text += " and others"
	}
	return errors.New(text)
}
