package nats

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/godwitkv/godwit/internal/certs"
)

// MutualTLS makes that of a cluster's ports: each side shows the certificate, and takes
// only those that the authority in a PEM file signed.
func MutualTLS(pair *certs.Pair, ca string) (*tls.Config, error) {
	pool, err := loadCA(ca)
	if err != nil {
		return nil, fmt.Errorf("--cluster-ca: %w", err)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, GetCertificate: pair.ToClient, GetClientCertificate: pair.ToServer,
		RootCAs: pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}, nil
}

func loadCA(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no PEM certificate", path)
	}
	return pool, nil
}

var errExposed = errors.New("a cluster port that others than this machine reach needs mutual TLS: give --cluster-cert, --cluster-key and --cluster-ca")

// CheckExposure refuses a cluster without TLS that leaves the machine: whoever
// reaches a cluster's port reads and writes all of its data. On loopback without
// TLS every process of the machine may; no password is asked there, since it would
// have to come from something that all of them can read.
func CheckExposure(listen string, peers []Peer, withTLS bool) error {
	if withTLS {
		return nil
	}
	if !loopback(listen) {
		return errExposed
	}
	for _, p := range peers {
		if !loopback(p.Address) {
			return errExposed
		}
	}
	return nil
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
