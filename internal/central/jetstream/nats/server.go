package nats

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
	"golang.org/x/sync/errgroup"
)

// ServerConfig is what a NATS server inside this process needs.
type ServerConfig struct {
	Cluster string
	Node    string
	// Dir is the node's data directory: the server keeps Dir/nats and
	// Dir/nats-identity.
	Dir string
	// Listen is host:port of the cluster port. A cluster of one has none.
	Listen string
	// Peers are the members, this one among them.
	Peers []Peer
	// TLS is mutual TLS for the cluster port, as MutualTLS makes it. Default: none,
	// on loopback alone.
	TLS *tls.Config
	// Key is what the server encrypts all that it keeps with. Default: it does not.
	Key string
	// MaxBytes is how much the stream may hold. Default: DefaultMaxBytes.
	MaxBytes int64
	// Logger is told what the server says. Default: none.
	Logger *slog.Logger
}

// MaxPayload is the longest message of a server inside this process, in bytes.
const MaxPayload = 8 << 20

// How long the server may take to start, and to find those who lead what it led.
const (
	startTimeout    = 30 * time.Second
	handOverTimeout = 2 * time.Second
)

// Server is a running NATS server. Its clients are in this process: they show keys
// that exist in its memory alone, and that are good for nothing but a connection
// through memory.
type Server struct {
	cfg     ServerConfig
	name    string
	server  *server.Server
	log     *logger
	user    nkeys.KeyPair // of the account in which the streams are
	admin   nkeys.KeyPair // of the system account
	running errgroup.Group
	end     context.CancelFunc // of what goes on beside the server
}

// OpenServer starts a server. It does not wait for the others: what needs a quorum
// fails until there is one.
func OpenServer(ctx context.Context, cfg ServerConfig) (*Server, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = DefaultMaxBytes
	}
	if len(cfg.Peers) > 1 {
		if err := CheckListen(cfg.Listen); err != nil {
			return nil, fmt.Errorf("--cluster-listen: %w", err)
		}
		if err := CheckExposure(cfg.Listen, cfg.Peers, cfg.TLS != nil); err != nil {
			return nil, err
		}
	}
	identity, err := serverIdentity(cfg.Dir)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, name: serverName(cfg.Node, identity), log: &logger{to: cfg.Logger}}
	opts, err := s.options()
	if err != nil {
		return nil, err
	}
	if s.server, err = server.NewServer(opts); err != nil {
		return nil, fmt.Errorf("make nats server: %w", err)
	}
	s.server.SetLoggerV2(s.log, false, false, false)
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	ctx, s.end = context.WithCancel(context.WithoutCancel(ctx))
	s.running.Go(func() error { s.revive(ctx, opts); return nil })
	return s, nil
}

// start is bounded by what stands on the disk, not by ctx: a start that is broken
// off leaves the server's work behind.
func (s *Server) start(ctx context.Context) error {
	s.running.Go(func() error { s.server.Start(); return nil }) // until the end, where it listens
	ready := s.log.failed() == nil && s.server.ReadyForConnections(startTimeout)
	if err := errors.Join(s.log.failed(), ctx.Err()); !ready || err != nil {
		s.stop()
		return fmt.Errorf("start nats server: %w", errors.Join(err, errNotReady(ready)))
	}
	s.cfg.Logger.Info("nats server started", logServer, s.name)
	return nil
}

func errNotReady(ready bool) error {
	if ready {
		return nil
	}
	return errors.New("it did not become ready")
}

// Name is the server's own, another one for each disk.
func (s *Server) Name() string { return s.name }

// Close hands over what the server leads, so that others go on at once, and stops
// it.
func (s *Server) Close() error {
	s.handOver()
	s.stop()
	return nil
}

func (s *Server) stop() {
	if s.end != nil {
		s.end()
	}
	s.server.Shutdown()
	s.server.WaitForShutdown()
	_ = s.running.Wait()
}

// options are those of the server, instead of a file.
//
// Who names no user is the user of this process, who may not come from outside.
// Without that, a server with a system account and no other lets whoever names no
// user in: it makes one.
//
// A server that does not listen for clients at all never starts its cluster port:
// that waits for the other (nats-server 2.15, StartRouting). So it listens on a
// port of loopback that the system picks and nobody is told, behind which no user
// exists that may come from there.
func (s *Server) options() (*server.Options, error) {
	user, err := nkeys.CreateUser()
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	admin, err := nkeys.CreateUser()
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	s.user, s.admin = user, admin
	userKey, _ := user.PublicKey()
	adminKey, _ := admin.PublicKey()
	system := server.NewAccount(server.DEFAULT_SYSTEM_ACCOUNT)
	inside := map[string]struct{}{jwt.ConnectionTypeInProcess: {}}
	opts := &server.Options{
		ServerName: s.name, Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, DisableJetStreamBanner: true,
		Accounts: []*server.Account{system}, SystemAccount: system.Name,
		Nkeys: []*server.NkeyUser{
			{Nkey: userKey, AllowedConnectionTypes: inside},
			{Nkey: adminKey, Account: system, AllowedConnectionTypes: inside},
		},
		NoAuthUser: userKey,
		MaxPayload: MaxPayload, WriteDeadline: 10 * time.Second,
		JetStream: true, StoreDir: filepath.Join(s.cfg.Dir, stateDir), SyncAlways: true,
		JetStreamKey: s.cfg.Key, JetStreamCipher: server.AES,
		JetStreamMaxMemory: 32 << 20, JetStreamMaxStore: s.cfg.MaxBytes + registryMaxBytes,
	}
	if len(s.cfg.Peers) > 1 {
		s.clusterOptions(opts)
	}
	return opts, nil
}
