package transfer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisKeys is how many keys are asked for at once.
const redisKeys = 1000

// redisHeld is how many bytes of values are asked for at once, but for one value.
const redisHeld = 8 << 20

// Redis is the source of the strings of a Redis database, or of all of a Redis Cluster. A
// key that is there all the while is given, perhaps twice; of one that is written
// meanwhile, some value it had.
type Redis struct {
	URL      string // redis://[user:password@]host:port[/database]
	Prefix   string
	Progress *Progress
	Skip     func(what string) // told of each key that is no string, or cannot be a key here
	Now      func() time.Time  // the target's clock; nil: this machine's
}

var _ Source = (*Redis)(nil)

// Batches implements [Source].
func (r *Redis) Batches(ctx context.Context) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		redis.SetLogger(silence{}) // what goes wrong is returned, too
		o, err := redis.ParseURL(r.URL)
		if err != nil {
			yield(Batch{}, errors.New("Redis's URL is not of the form redis://host:port/database")) //nolint:staticcheck // a name
			return
		}
		c := redisClient(*o)
		defer func() { _ = c.Close() }()
		shares, err := redisShares(ctx, c)
		if err == nil && shares == nil {
			err = r.scan(ctx, c, yield)
		} else if err == nil {
			err = r.scanCluster(ctx, c, *o, shares, yield)
		}
		if err != nil && !errors.Is(err, errLeft) {
			yield(Batch{}, err)
		}
	}
}

// redisClient connects with bounds.
func redisClient(o redis.Options) *redis.Client {
	o.DisableIdentity = true
	dial := redis.NewDialer(&o)
	o.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &redisConn{Conn: conn}, nil
	}
	return redis.NewClient(&o)
}

// scan gives all keys that one Redis has.
func (r *Redis) scan(ctx context.Context, c *redis.Client, yield func(Batch, error) bool) error {
	for cursor := uint64(0); ; {
		keys, next, err := c.Scan(ctx, cursor, redisPattern(r.Prefix), redisKeys).Result()
		if err != nil {
			return fmt.Errorf("scan Redis: %w", err)
		}
		if err := r.give(ctx, c, keys, yield); err != nil || next == 0 {
			return err
		}
		cursor = next
	}
}

// silence takes what go-redis would write to standard error.
type silence struct{}

// Printf implements go-redis's logger.
func (silence) Printf(context.Context, string, ...any) {}

// redisPattern matches all that starts with a prefix.
func redisPattern(prefix string) string {
	pattern := make([]byte, 0, len(prefix)+1)
	for i := range len(prefix) {
		switch prefix[i] {
		case '*', '?', '[', ']', '\\', '^', '-':
			pattern = append(pattern, '\\')
		}
		pattern = append(pattern, prefix[i])
	}
	return string(append(pattern, '*'))
}

// give reads keys and hands them on. Error: errLeft, if nobody wants more.
func (r *Redis) give(ctx context.Context, c *redis.Client, keys []string, yield func(Batch, error) bool) error {
	strings, err := r.sizes(ctx, c, keys)
	for err == nil && len(strings) > 0 {
		n, held := 0, int64(0)
		for n < len(strings) && (n == 0 || held+strings[n].size <= redisHeld) {
			held += strings[n].size
			n++
		}
		var b Batch
		if b.Items, err = r.values(ctx, c, strings[:n]); err == nil && !yield(b, nil) {
			return errLeft
		}
		strings = strings[n:]
	}
	return err
}

// redisString is a key with how long its value is.
type redisString struct {
	key  string
	size int64
}

// sizes tells how long the values are, and leaves out what is no string.
func (r *Redis) sizes(ctx context.Context, c *redis.Client, keys []string) (found []redisString, err error) {
	kinds, lengths := make([]*redis.StatusCmd, len(keys)), make([]*redis.IntCmd, len(keys))
	_, err = c.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, key := range keys {
			kinds[i], lengths[i] = p.Type(ctx, key), p.StrLen(ctx, key)
		}
		return nil
	})
	for i, key := range keys {
		kind, kerr := kinds[i].Result()
		if kerr != nil {
			return nil, fmt.Errorf("ask Redis for types: %w", errors.Join(kerr, err))
		}
		it := Item{Key: key}
		switch problem := it.check(0); {
		case kind == "none": // gone by now
		case kind != "string":
			r.skip(fmt.Sprintf("key %q is a %s", key, kind))
		case problem != nil:
			r.skip(fmt.Sprintf("key %q: %v", clip(key), problem))
		case lengths[i].Err() != nil:
			r.skip(fmt.Sprintf("key %q became something else than a string", key))
		default:
			found = append(found, redisString{key, lengths[i].Val()})
		}
	}
	return found, nil
}

func (r *Redis) skip(what string) {
	r.Progress.Skipped.Add(1)
	r.Skip(what)
}

func (r *Redis) now() time.Time {
	if r.Now == nil {
		return time.Now()
	}
	return r.Now()
}

// values reads values, with how long they have to live.
func (r *Redis) values(ctx context.Context, c *redis.Client, keys []redisString) ([]Item, error) {
	values, lives := make([]*redis.StringCmd, len(keys)), make([]*redis.Cmd, len(keys))
	now := r.now()
	_, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, k := range keys {
			values[i], lives[i] = p.Get(ctx, k.key), p.Do(ctx, "PTTL", k.key) // PTTL's result holds no more than 292 years
		}
		return nil
	})
	items := make([]Item, 0, len(keys))
	for i, k := range keys {
		value, verr := values[i].Bytes()
		life, lerr := lives[i].Int64()
		switch {
		case errors.Is(verr, redis.Nil):
			continue
		case verr != nil && redis.HasErrorPrefix(verr, "WRONGTYPE"):
			r.skip(fmt.Sprintf("key %q became something else than a string", k.key))
			continue
		case verr != nil || lerr != nil:
			return nil, fmt.Errorf("ask Redis for values: %w", errors.Join(verr, lerr, err))
		}
		if life == -2 {
			continue // it expired between the two
		}
		items = append(items, Item{Key: k.key, Value: value, Expiration: redisEnd(now, life)})
	}
	return items, nil
}

// redisEnd is when a key expires that has so many milliseconds to live; 0, never, for
// none, and for what is beyond all expirations.
func redisEnd(now time.Time, life int64) int64 {
	if life <= 0 || life > maxSeconds*1000-now.UnixMilli() {
		return 0
	}
	return (now.UnixMilli() + life) / 1000
}
