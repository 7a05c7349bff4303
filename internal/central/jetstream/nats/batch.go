package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/godwitkv/godwit/internal/central/jetstream"
)

// Bounds of a batch: one message more than batchBytes may come.
const (
	batchMessages = 1024
	batchBytes    = 4 << 20
	batchTimeout  = time.Second // between two messages of an answer
)

// batch asks replicas for messages, one question at a time. NATS gives each
// question to one replica that is not behind, to that of the embedded server if it
// has one.
type batch struct {
	conn    *natsgo.Conn
	subject string
	inbox   string // prefix of where answers go
	asked   uint64
	answers *natsgo.Subscription
}

func (b *batch) open(s *Stream) error {
	b.conn, b.inbox = s.conn.nc, natsgo.NewInbox()+"."
	b.subject = "$JS.API.DIRECT.GET." + streamName(s.cfg.Cluster)
	var err error
	if b.answers, err = b.conn.SubscribeSync(b.inbox + "*"); err != nil {
		return fmt.Errorf("subscribe to batches: %w", err)
	}
	return nil
}

func (b *batch) close() {
	if b.answers != nil {
		_ = b.answers.Unsubscribe() // or the connection is gone, and it with it
	}
}

// get returns messages from a sequence on, in order, and whether there are more. If
// the first is a later one, what is between is not there. There are none for now
// where no replica answers. Error: of a subscription that ended.
func (b *batch) get(ctx context.Context, from uint64) (msgs []jetstream.Message, more bool, err error) {
	inbox, err := b.ask(from)
	if err != nil {
		return nil, false, ctx.Err() // no connection: nothing for now
	}
	next := from
	for {
		answer, err := b.answers.NextMsg(batchTimeout)
		switch {
		case errors.Is(err, natsgo.ErrBadSubscription), errors.Is(err, natsgo.ErrConnectionClosed):
			return nil, false, errors.Join(ctx.Err(), natsgo.ErrBadSubscription)
		case err != nil: // too late, or some were dropped: what came so far is good
			return msgs, false, nil
		}
		current := answer.Subject == inbox
		if status := answer.Header.Get("Status"); status != "" {
			if !current {
				continue
			}
			pending, _ := strconv.ParseUint(answer.Header.Get("Nats-Num-Pending"), 10, 64)
			return msgs, status == statusEnd && pending > 0, nil
		}
		msg, err := decode(answer)
		if err != nil {
			return nil, false, err
		}
		// An answer to an earlier question, which came too late for it, is as good:
		// else a slow way would never bring the longest message.
		if msg.Sequence == next || current && msg.Sequence > next {
			msgs = append(msgs, msg)
			next = msg.Sequence + 1
		}
	}
}

// ask asks for a batch, and returns where the answers go.
func (b *batch) ask(from uint64) (inbox string, err error) {
	request, err := json.Marshal(object{"seq": from, "batch": batchMessages, "max_bytes": batchBytes})
	if err != nil {
		return "", err
	}
	b.asked++
	inbox = b.inbox + strconv.FormatUint(b.asked, 36)
	return inbox, b.conn.PublishRequest(b.subject, inbox, request)
}

// statusEnd ends a batch.
const statusEnd = "204"
