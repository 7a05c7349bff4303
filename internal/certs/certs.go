// Package certs owns the certificates that a node shows, as they are in their files: one
// that is renewed there is shown from the next connection on. It must import nothing of
// godwit.
package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"slices"
	"sync"
	"sync/atomic"
)

// Pair is a certificate and its key. Several goroutines may use it.
type Pair struct {
	cert, key string
	renewing  sync.Mutex // or who read the files first could show them last
	shown     atomic.Pointer[tls.Certificate]
}

// Open reads a certificate, with those between it and its authority, and its key, from PEM
// files.
func Open(cert, key string) (*Pair, error) {
	p := &Pair{cert: cert, key: key}
	if _, err := p.Renew(); err != nil {
		return nil, err
	}
	return p, nil
}

// Renew reads the files again, and tells whether another certificate is in them. After an
// error, such as of files of which one is written and the other is not yet, the one before
// is shown on.
func (p *Pair) Renew() (bool, error) {
	p.renewing.Lock()
	defer p.renewing.Unlock()
	found, err := tls.LoadX509KeyPair(p.cert, p.key)
	if err != nil {
		return false, err
	}
	before := p.shown.Load()
	if before != nil && slices.EqualFunc(before.Certificate, found.Certificate, bytes.Equal) {
		return false, nil
	}
	p.shown.Store(&found)
	return true, nil
}

// Leaf is the certificate that is shown.
func (p *Pair) Leaf() *x509.Certificate { return p.shown.Load().Leaf }

// ToClient is a tls.Config's GetCertificate.
func (p *Pair) ToClient(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.shown.Load(), nil }

// ToServer is a tls.Config's GetClientCertificate.
func (p *Pair) ToServer(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return p.shown.Load(), nil
}
