package nats

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Peer is a member of a cluster and where its cluster port is.
type Peer struct{ Name, Address string }

const maxNameBytes = 32

// CheckName wants a name of a cluster or a node: it becomes part of names of
// streams, subjects and files.
func CheckName(name string) error {
	if name == "" || len(name) > maxNameBytes || strings.ContainsFunc(name, notName) {
		return fmt.Errorf(`%.64q is not 1 to %d letters, digits, "-" and "_"`, name, maxNameBytes)
	}
	return nil
}

func notName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

// ParsePeers reads peers of the form name=host:port, among which node must be. A
// cluster has one, three or five: with an even number no more can fail than with
// one less.
func ParsePeers(texts []string, node string) ([]Peer, error) {
	peers := make([]Peer, 0, len(texts))
	names, addresses := make(map[string]bool), make(map[string]bool)
	for _, text := range texts {
		name, address, ok := strings.Cut(strings.TrimSpace(text), "=")
		if !ok || checkAddress(address) != nil || CheckName(name) != nil {
			return nil, fmt.Errorf("%.128q is not of the form name=host:port", text)
		}
		if names[name] || addresses[address] {
			return nil, fmt.Errorf("%s is there twice", text)
		}
		names[name], addresses[address] = true, true
		peers = append(peers, Peer{name, address})
	}
	switch {
	case !names[node]:
		return nil, fmt.Errorf("%s is not among them: name all members, this one too", node)
	case len(peers) != 1 && len(peers) != 3 && len(peers) != 5:
		return nil, fmt.Errorf("%d are named: a cluster has one, three or five", len(peers))
	}
	return peers, nil
}

// checkAddress wants host:port of a port that can be reached.
func checkAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" {
		return errors.New("no host or no port")
	}
	return nil
}

// CheckListen wants host:port to listen on; without a host, that is every address.
func CheckListen(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		var n uint64
		if n, err = strconv.ParseUint(port, 10, 16); err == nil && n > 0 {
			return nil
		}
	}
	return fmt.Errorf("%.128q is not of the form host:port", address)
}

// split is for addresses that checkAddress took.
func split(address string) (host string, port int) {
	host, text, _ := net.SplitHostPort(address)
	port, _ = strconv.Atoi(text)
	return host, port
}
