package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/audit"
	"github.com/godwitkv/godwit/internal/scrub"
	"github.com/godwitkv/godwit/internal/steady"
	"github.com/godwitkv/godwit/internal/store"
)

// Defaults of a Config.
const (
	DefaultDir           = "./godwit-data"
	DefaultListen        = "127.0.0.1:8787"
	DefaultBindingListen = "127.0.0.1:8788"
	DefaultDrainTimeout  = 15 * time.Second
	DefaultAuditMaxBytes = 1 << 30
)

// Bounds of a Config.
const (
	minRootTokenBytes = 16
	maxRootTokenBytes = 512
	maxValueBytes     = 1 << 30
	maxTTL            = math.MaxInt32 * time.Second
	maxLocationBytes  = 64
)

// Config is all that a node can be told. The zero value is a node of its own in
// DefaultDir.
type Config struct {
	// Dir is the data directory. It is made, for its owner alone, if it is not
	// there. Default: DefaultDir.
	Dir string
	// Listen is host:port of the API port: the dashboard, REST v4, the native API,
	// health and metrics. Default: DefaultListen. Port 0 takes any that is free.
	Listen string
	// BindingListen is host:port of the binding port. Default:
	// DefaultBindingListen.
	BindingListen string
	// PprofListen is host:port of Go's profiler, which asks for no token.
	// Default "": none.
	PprofListen string

	// Location names where the node is, such as "lhr": up to 64 letters,
	// digits, "-" and "_". Default: none.
	Location string
	// Account is the account's id, 32 hexadecimal characters. Default: the one
	// in the data, or else a random one.
	Account string
	// RootToken is the root token, 16 to 512 printable characters without
	// spaces. Default: the one in Dir/root-token, which is made with a random
	// one at the first start; at an edge none of its own: the centre's is good.
	RootToken string

	// Upstreams are the URLs of the API ports of nodes to follow, in order of
	// preference: with any, the node is an edge. Default: none, the node is the
	// centre.
	Upstreams []string
	// UpstreamToken is what an edge asks them with: permission replicate.
	UpstreamToken string
	// UpstreamCA is a PEM file of the authorities that may have signed an
	// upstream's certificate. Default: the system's.
	UpstreamCA string
	// Namespaces are the ids or titles of those that an edge carries. Requests
	// for others are passed on. Default: all.
	Namespaces []string
	// MaxValue is the longest value, in bytes, that an edge fetches before it is
	// read. Default: any.
	MaxValue int64
	// ValueCacheBytes is how much of the longer ones an edge keeps on its disk.
	// Default: the edge's own.
	ValueCacheBytes int64
	// AdvertiseURL is where other nodes reach the API port. Default: the address
	// that it listens on, if that is one.
	AdvertiseURL string

	// Jurisdictions are those whose namespaces the node may carry, of
	// godwit.Jurisdictions. Default: none; of namespaces that are of any it knows the
	// names.
	Jurisdictions []string

	// Limits are checked where clients are answered. Default:
	// godwit.DefaultLimits.
	Limits godwit.Limits
	// InlineBytes is the longest value kept beside its key, 1 to
	// godwit.MaxInlineBytes. Default: godwit.DefaultInlineBytes.
	InlineBytes int
	// DiskReserve is how many bytes of the disk are left free: below it puts
	// are refused. Below 0: none. Default: a share of the disk.
	DiskReserve int64
	// CacheBytes is how much of the database is kept in memory. Default: the
	// store's.
	CacheBytes int64
	// Retention is how long deletions are remembered: a follower that was away
	// for longer reconciles. Default: the store's.
	Retention time.Duration

	// WipeAbove is how large a namespace is that is cleared without being read.
	// Default: the store's.
	WipeAbove int64

	// EncryptionKeys are what the data directory is encrypted with. Default: it is
	// not.
	EncryptionKeys *store.Keys
	// AuditLog is the file of the audit log. Default: none. AuditMaxBytes is how
	// much it takes on the disk, from audit.MinBytes; default:
	// DefaultAuditMaxBytes. With AuditStrict nothing is changed that it does not have.
	AuditLog      string
	AuditMaxBytes int64
	AuditStrict   bool

	// ScrubEvery is how often all that is on the disk is read and held against its
	// checksums, from the beginning of one pass to that of the next; 0: only when
	// asked. ScrubRate is how many bytes a second it reads at most, scrub.MinRate to
	// scrub.MaxRate; default: scrub.DefaultRate.
	ScrubEvery time.Duration
	ScrubRate  int64

	// OTLPEndpoint is the URL of a collector of OpenTelemetry's that is sent traces.
	// Default: none. TraceRatio is how many of those that begin here it gets, 0 to 1.
	OTLPEndpoint string
	TraceRatio   float64

	// TLSCert and TLSKey are PEM files. With them both ports speak TLS.
	TLSCert, TLSKey string
	// CertificateEvery is how often the files of certificates are looked at for new ones,
	// those of members too. Default: a minute.
	CertificateEvery time.Duration

	// Version is what the node says it is.
	Version string
	// DrainTimeout bounds how long requests in flight may take once the node is
	// told to stop. Default: DefaultDrainTimeout.
	DrainTimeout time.Duration

	// Cluster is the name of the cluster of which this node is a member. Default:
	// none.
	Cluster string
	// Node is the member's name, 1 to 32 letters, digits, "-" and "_".
	Node string
	// ClusterListen is host:port by which members reach each other, and ClusterPeers
	// are all members, this one too, as name=host:port: one, three or five.
	ClusterListen string
	ClusterPeers  []string
	// ClusterCert, ClusterKey and ClusterCA are PEM files for mutual TLS between
	// members. Without them the port must be on loopback.
	ClusterCert, ClusterKey, ClusterCA string
	// NATS are the URLs of a NATS that is run elsewhere, in place of ClusterListen
	// and ClusterPeers. NATSCreds and NATSCA are files to sign in there with.
	NATS              []string
	NATSCreds, NATSCA string
	// OpenShared opens a log that this node shares with others, in place of all
	// these but Node. Default: NATS.
	OpenShared func(ctx context.Context) (*Shared, error)

	// FS is the disk; with one, a central node must be given its RootToken.
	// Default: the machine's.
	FS store.FS
	// Dial makes connections to upstreams. Default: a net.Dialer's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// ListenFunc makes listeners. Default: those of TCP.
	ListenFunc func(network, address string) (net.Listener, error)
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// Logger is told what happens, and never a secret. Default: none.
	Logger *slog.Logger
	// Metrics takes the node's metrics; each node needs one of its own.
	// Default: a new one.
	Metrics *prometheus.Registry
	// Doubt is for how long a jump of a centre's clock is not believed. Default: a
	// minute.
	Doubt time.Duration
	// Observer is told what goes on inside. Default: none.
	Observer *Observer
}

func (c *Config) setDefaults() {
	if c.Dir == "" {
		c.Dir = DefaultDir
	}
	if c.Listen == "" {
		c.Listen = DefaultListen
	}
	if c.BindingListen == "" {
		c.BindingListen = DefaultBindingListen
	}
	if c.Limits == (godwit.Limits{}) {
		c.Limits = godwit.DefaultLimits()
	}
	if c.AuditMaxBytes == 0 {
		c.AuditMaxBytes = DefaultAuditMaxBytes
	}
	if c.ScrubRate == 0 {
		c.ScrubRate = scrub.DefaultRate
	}
	if c.CertificateEvery == 0 {
		c.CertificateEvery = time.Minute
	}
	if c.DrainTimeout == 0 {
		c.DrainTimeout = DefaultDrainTimeout
	}
	if c.ListenFunc == nil {
		c.ListenFunc = listenTCP
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
	if c.Doubt == 0 {
		c.Doubt = steady.Doubt
	}
	if c.Observer == nil {
		c.Observer = newObserver()
	}
}

// Validate returns all that is wrong with c, joined, or nil. Each problem names
// its flag.
func (c Config) Validate() error {
	c.setDefaults()
	problems := c.validateAddresses()
	complain := func(flag, format string, args ...any) {
		problems = append(problems, fmt.Errorf("%s: %s", flag, fmt.Sprintf(format, args...)))
	}
	if len(c.Location) > maxLocationBytes || strings.ContainsFunc(c.Location, notName) {
		complain("--location", "%q is not up to %d letters, digits, \"-\" and \"_\"", c.Location, maxLocationBytes)
	}
	if c.Account != "" && !isHex32(c.Account) {
		complain("--account", "%q is not 32 characters of 0-9 and a-f", c.Account)
	}
	if c.RootToken != "" {
		if err := checkRootToken(c.RootToken); err != nil {
			complain("--root-token", "%v", err)
		}
	} else if c.FS != nil && !c.edge() {
		complain("--root-token", "is needed where the disk is not the machine's own")
	}
	for _, j := range c.Jurisdictions {
		if err := godwit.ValidateJurisdiction(j); err != nil || j == "" {
			complain("--jurisdiction", "%.32q is not of %s", j, strings.Join(godwit.Jurisdictions(), ", "))
		}
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		complain("--tls-cert", "--tls-cert and --tls-key go together")
	}
	if c.InlineBytes < 0 || c.InlineBytes > godwit.MaxInlineBytes {
		complain("--inline-bytes", "%d is not between 1 and %d", c.InlineBytes, godwit.MaxInlineBytes)
	}
	if c.AuditMaxBytes < audit.MinBytes {
		complain("--audit-max-bytes", "%d is not at least %d", c.AuditMaxBytes, audit.MinBytes)
	}
	if c.AuditStrict && c.AuditLog == "" {
		complain("--audit-strict", "needs --audit-log")
	}
	if c.CacheBytes < 0 {
		complain("--cache-bytes", "%d is below 0", c.CacheBytes)
	}
	problems = append(problems, c.validateScrub()...)
	problems = append(problems, c.validateUpstream()...)
	problems = append(problems, c.validateCluster()...)
	problems = append(problems, c.validateTraces()...)
	return errors.Join(append(problems, validateLimits(c.Limits)...)...)
}

func (c *Config) validateAddresses() (problems []error) {
	for flag, addr := range map[string]string{"--listen": c.Listen, "--binding-listen": c.BindingListen, "--pprof-listen": c.PprofListen} {
		if addr == "" {
			continue
		}
		_, port, err := net.SplitHostPort(addr)
		if err == nil {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %q is not of the form host:port", flag, addr))
		}
	}
	return problems
}

func validateLimits(l godwit.Limits) (problems []error) {
	if l.MinExpirationTTL < time.Second || l.MinExpirationTTL > maxTTL {
		problems = append(problems, fmt.Errorf("--min-expiration-ttl: %v is not between 1s and %v", l.MinExpirationTTL, maxTTL))
	}
	if l.MinCacheTTL < 0 || l.MinCacheTTL > maxTTL {
		problems = append(problems, fmt.Errorf("--min-cache-ttl: %v is not between 0s and %v", l.MinCacheTTL, maxTTL))
	}
	if l.MaxValueBytes < 1 || l.MaxValueBytes > maxValueBytes {
		problems = append(problems, fmt.Errorf("--max-value-bytes: %d is not between 1 and %d", l.MaxValueBytes, maxValueBytes))
	}
	if !(l.WritesPerKey >= 0 && l.WritesPerKey <= math.MaxInt32) { // NaN is neither
		problems = append(problems, fmt.Errorf("--writes-per-key: %v is not between 0 (no limit) and %d", l.WritesPerKey, math.MaxInt32))
	}
	return problems
}

func notName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

func isHex32(s string) bool { return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == "" }

// checkRootToken never repeats the token.
func checkRootToken(token string) error {
	switch {
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("a root token is printable ASCII without spaces")
	case len(token) < minRootTokenBytes:
		return fmt.Errorf("a root token has at least %d characters", minRootTokenBytes)
	case len(token) > maxRootTokenBytes:
		return fmt.Errorf("a root token has at most %d characters", maxRootTokenBytes)
	}
	return nil
}
