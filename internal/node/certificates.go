package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"time"

	"github.com/godwitkv/godwit/internal/api/native"
	"github.com/godwitkv/godwit/internal/central/jetstream/nats"
	"github.com/godwitkv/godwit/internal/certs"
)

// certificate is one that the node shows.
type certificate struct {
	*certs.Pair
	use string // ports or cluster
}

// openCertificate opens one that is shown from now on.
func (n *Node) openCertificate(use, cert, key string) (*certs.Pair, error) {
	pair, err := certs.Open(cert, key)
	if err != nil {
		return nil, err
	}
	n.certificates = append(n.certificates, certificate{pair, use})
	return pair, nil
}

// portsCertificate is nil where ports are without TLS.
func (n *Node) portsCertificate() (*certs.Pair, error) {
	if n.cfg.TLSCert == "" {
		return nil, nil
	}
	pair, err := n.openCertificate("ports", n.cfg.TLSCert, n.cfg.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("load TLS certificate: %w", err)
	}
	return pair, nil
}

// clusterTLS is that of a member's port for others.
func (n *Node) clusterTLS() (*tls.Config, error) {
	pair, err := n.openCertificate("cluster", n.cfg.ClusterCert, n.cfg.ClusterKey)
	if err != nil {
		return nil, fmt.Errorf("--cluster-cert: %w", err)
	}
	return nats.MutualTLS(pair, n.cfg.ClusterCA)
}

// renewCertificates shows what is in the files of certificates now.
func (n *Node) renewCertificates() {
	for _, c := range n.certificates {
		switch renewed, err := c.Renew(); {
		case err != nil:
			n.cfg.Logger.Warn("certificate cannot be read: the one before is shown on", slog.String(logUse, c.use), slog.Any("error", err))
		case renewed:
			n.cfg.Logger.Info("certificate is renewed", slog.String(logUse, c.use), slog.Time(logUntil, c.Leaf().NotAfter))
		}
	}
}

// keepCertificates renews them until ctx ends.
func (n *Node) keepCertificates(ctx context.Context) error {
	ticker := time.NewTicker(n.cfg.CertificateEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			n.renewCertificates()
		case <-ctx.Done():
			return nil
		}
	}
}

// certificateStatus tells of those that are shown.
func (n *Node) certificateStatus() []native.Certificate {
	var all []native.Certificate
	for _, c := range n.certificates {
		all = append(all, certificateOf(c.use, c.Leaf()))
	}
	return all
}

func certificateOf(use string, c *x509.Certificate) native.Certificate {
	names := append([]string{}, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 && c.Subject.CommonName != "" {
		names = append(names, c.Subject.CommonName)
	}
	return native.Certificate{Use: use, Names: names, NotBefore: c.NotBefore.Unix(), NotAfter: c.NotAfter.Unix()}
}
