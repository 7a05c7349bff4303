package nats

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// Config is how to reach NATS: the Server of this process, or URLs.
type Config struct {
	Server *Server

	URLs  []string
	Creds string // file
	CA    string // PEM file; default: the system's

	// Name is shown where NATS lists its connections.
	Name string
	// Timeout is how long an answer may take before its outcome counts as
	// unknown. Default: DefaultTimeout.
	Timeout time.Duration
	// Logger is told when the connection is lost and is back. Default: none.
	Logger *slog.Logger
}

// The oldest version of NATS that has all that is used.
const (
	minMajor, minMinor = 2, 12
	minVersion         = "2.12"
)

// minPayload is the least that a message of NATS may be (max_payload): any single write
// goes into one, with a value as long as they stand beside their keys by default.
const minPayload = 128 << 10

// How a lost connection is made again: soon, and for ever.
const (
	reconnectFirst = 50 * time.Millisecond
	reconnectMost  = time.Second
	dialTimeout    = 2 * time.Second
	pingEvery      = 2 * time.Second
	pingsOut       = 2
	writeTimeout   = 5 * time.Second
)

// DefaultTimeout is longer than any answer takes of servers that are well, and
// shorter than a client waits.
const DefaultTimeout = 2 * time.Second

// Conn is a connection to NATS that is made again whenever it breaks.
type Conn struct {
	cfg Config
	nc  *natsgo.Conn

	mu       sync.Mutex
	breaks   map[int]func() // called when the connection breaks
	next     int
	problem  error // why there is none; nil: there is
	denied   string
	deniedAt time.Time
}

// Connect connects. Without an error there need not be a connection yet: it is
// tried on until Close, and what needs it says what is missing. An error is one
// that time does not heal: a file that cannot be read, credentials that are refused,
// a server that is too old, or whose messages are too short.
func Connect(ctx context.Context, cfg Config) (*Conn, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	c := &Conn{cfg: cfg, breaks: make(map[int]func()), problem: errNotConnected}
	opts, err := c.options()
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.nc, err = natsgo.Connect(strings.Join(cfg.URLs, ","), opts...)
	if err != nil {
		return nil, fmt.Errorf("connect to nats: %w", err)
	}
	if !c.nc.IsConnected() {
		return c, nil
	}
	c.setProblem(nil)
	if err := c.checkServer(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Close ends the connection. What is in flight fails.
func (c *Conn) Close() {
	c.nc.Close()
	c.broken(c.nc, natsgo.ErrConnectionClosed)
}

// MaxMessage is the longest message that the server takes, in bytes.
func (c *Conn) MaxMessage() int { return int(c.nc.MaxPayload()) }

func (c *Conn) options() ([]natsgo.Option, error) {
	opts := []natsgo.Option{
		natsgo.Name(c.cfg.Name),
		natsgo.NoEcho(), // of pulses; nothing else that this connection sends comes back by its subject
		// A message must not be sent long after it was handed over: what finds no
		// connection fails.
		natsgo.ReconnectBufSize(-1),
		natsgo.MaxReconnects(-1), natsgo.IgnoreAuthErrorAbort(), natsgo.CustomReconnectDelay(reconnectDelay),
		natsgo.Timeout(dialTimeout),
		natsgo.DisconnectErrHandler(func(nc *natsgo.Conn, err error) { c.broken(nc, err) }),
		natsgo.ReconnectHandler(c.connected),
		natsgo.ConnectHandler(c.connected),
		natsgo.ReconnectErrHandler(func(_ *natsgo.Conn, err error) { c.setProblem(notConnected(err)) }),
		natsgo.ErrorHandler(func(_ *natsgo.Conn, _ *natsgo.Subscription, err error) { c.reported(err) }),
	}
	if c.cfg.Server != nil {
		// Memory does not lose anything. A server that reads late has a slow disk,
		// and gains nothing by another connection.
		return append(opts, c.cfg.Server.inProcess(c.cfg.Server.user), natsgo.PingInterval(time.Minute), natsgo.FlusherTimeout(time.Minute)), nil
	}
	opts = append(opts, natsgo.RetryOnFailedConnect(true),
		natsgo.PingInterval(pingEvery), natsgo.MaxPingsOutstanding(pingsOut), natsgo.FlusherTimeout(writeTimeout))
	if c.cfg.Creds != "" {
		if _, err := os.ReadFile(c.cfg.Creds); err != nil {
			return nil, fmt.Errorf("--nats-creds: %w", err)
		}
		opts = append(opts, natsgo.UserCredentials(c.cfg.Creds))
	}
	if c.cfg.CA != "" {
		pool, err := loadCA(c.cfg.CA)
		if err != nil {
			return nil, fmt.Errorf("--nats-ca: %w", err)
		}
		opts = append(opts, natsgo.Secure(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}))
	}
	return opts, nil
}

// inProcess connects to the server through memory, with one of its keys.
func (s *Server) inProcess(pair nkeys.KeyPair) natsgo.Option {
	public, _ := pair.PublicKey()
	return func(o *natsgo.Options) error {
		return errors.Join(natsgo.InProcessServer(s.server)(o), natsgo.Nkey(public, pair.Sign)(o))
	}
}

func reconnectDelay(attempts int) time.Duration {
	d := min(reconnectFirst<<min(attempts, 10), reconnectMost)
	return d/2 + rand.N(d/2) // not all at once
}

// onBreak has fn called each time the connection breaks, until cancel.
func (c *Conn) onBreak(fn func()) (cancel func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := c.next
	c.next++
	c.breaks[key] = fn
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.breaks, key)
	}
}

func (c *Conn) broken(nc *natsgo.Conn, err error) {
	if err == nil {
		err = errNotConnected
	}
	c.setProblem(fmt.Errorf("the connection to nats broke: %w", err))
	c.mu.Lock()
	fns := make([]func(), 0, len(c.breaks))
	for _, fn := range c.breaks {
		fns = append(fns, fn)
	}
	c.mu.Unlock()
	for _, fn := range fns {
		fn()
	}
	if c.cfg.Server == nil && !nc.IsClosed() { // the server of this process is not lost, it was stopped
		c.cfg.Logger.Warn("connection to nats broke", logError, err.Error())
	}
}

func (c *Conn) connected(nc *natsgo.Conn) {
	c.setProblem(nil)
	if c.cfg.Server == nil {
		c.cfg.Logger.Info("connected to nats", logServer, nc.ConnectedServerName())
	}
}

// notConnected says why there is no connection.
func notConnected(err error) error {
	if errors.Is(err, natsgo.ErrAuthorization) || errors.Is(err, natsgo.ErrAuthExpired) || errors.Is(err, natsgo.ErrAuthRevoked) {
		return &RefusedError{"NATS refuses the credentials: " + err.Error()}
	}
	return fmt.Errorf("connect to nats: %w", err)
}

// reported takes what the server complains of, beside any request.
func (c *Conn) reported(err error) {
	switch {
	case errors.Is(err, natsgo.ErrSlowConsumer): // the reader fetches what it missed
	case errors.Is(err, natsgo.ErrPermissionViolation):
		c.mu.Lock()
		c.denied, c.deniedAt = err.Error(), time.Now()
		c.mu.Unlock()
		c.cfg.Logger.Warn("nats denied permission", logError, err.Error())
	default:
		c.cfg.Logger.Info("nats complained", logError, err.Error())
	}
}

func (c *Conn) setProblem(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problem = err
}

func (c *Conn) connection() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.problem == nil && !c.nc.IsConnected() {
		return errNotConnected
	}
	return c.problem
}

// checkServer refuses a server that lacks what is used.
func (c *Conn) checkServer() error {
	if err := c.checkVersion(); err != nil {
		return err
	}
	if n := c.MaxMessage(); n < minPayload {
		return &RefusedError{fmt.Sprintf("the NATS server takes messages of %d bytes at the most, and godwit needs %d: set max_payload to that or more, or leave it out (1 MiB)", n, minPayload)}
	}
	return nil
}

func (c *Conn) checkVersion() error {
	version := c.nc.ConnectedServerVersion()
	parts := strings.SplitN(version, ".", 3)
	if len(parts) == 3 {
		major, err1 := strconv.Atoi(parts[0])
		minor, err2 := strconv.Atoi(parts[1])
		if err1 == nil && err2 == nil && (major > minMajor || major == minMajor && minor >= minMinor) {
			return nil
		}
	}
	return &RefusedError{fmt.Sprintf("the NATS server is version %s, and godwit needs %s or newer", version, minVersion)}
}
